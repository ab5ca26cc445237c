// POST /explain: what the line says is handed on to who may know it.

#include <gtest/gtest.h>

#include "serve/fake_line.h"
#include "serve/feature_server.h"
#include "serve/serving_fixture.h"
#include "serve/signature.h"

namespace assay::serve {
namespace {

class ExplainEndpoint : public testing::Test {
 protected:
  Response ask(const std::string& body, const Headers& headers = {}) {
    return server_.handle({"POST", "/explain", headers, body});
  }
  int status(const std::string& feature, const std::string& entities, const std::string& key = "") {
    return ask(R"({"feature":")" + feature + R"(","entities":)" + entities + "}",
               {{"x-api-key", key}})
        .status;
  }
  /// Callers a, b, ... with these permissions; their secrets are their names.
  void allow(const std::vector<std::string>& permissions) {
    std::string callers;
    char name = 'a';
    for (const std::string& may : permissions) {
      callers += callers.empty() ? "" : ",";
      callers += R"({"name":")" + std::string(1, name) + R"(","secret_sha256":")" +
                 sha256_hex(std::string(1, name)) + R"(","may":[)" + may + "]}";
      ++name;
    }
    server_.gate().protect(*Access::parse(R"({"callers":[)" + callers + "]}",
                                          [](const std::string& path) -> Result<std::string> {
                                            return Status(Code::kNotFound, path);
                                          }));
  }

  ServingFixture fixture_;
  FakeLine line_;
  FeatureServer server_{fixture_.world, *fixture_.store, fixture_.state, nullptr, &line_};
};

constexpr char kUser[] = R"({"user_id":["u1"]})";

TEST_F(ExplainEndpoint, TheLineIsAskedAboutNowOrAnInstant) {
  line_.explanation = R"({"value":1.5})";
  const Response now = ask(R"({"feature":"clicks:f0","entities":{"user_id":["u1"]}})");
  EXPECT_EQ(now.status, 200);
  EXPECT_EQ(now.body, R"({"value":1.5})");
  EXPECT_EQ(line_.rows_of, "clicks");
  EXPECT_EQ(line_.explained, "clicks:f0 " + std::to_string(ServingFixture::kNow) + " user_id");
  EXPECT_EQ(now.headers, (Headers{{"x-assay-as-of", "1970-01-02T00:00:00Z"}}));
  ask(R"({"feature":"clicks:f0","entities":{"user_id":["u1"]},"at":60})");
  EXPECT_EQ(line_.explained, "clicks:f0 60000000 user_id");
  ask(R"({"feature":"clicks:f0","entities":{"user_id":["u1"]}})",
      {{"x-assay-as-of", "1970-01-01T00:00:01Z"}});
  EXPECT_EQ(line_.explained, "clicks:f0 1000000 user_id");
}

TEST_F(ExplainEndpoint, WhatIsNoQuestionIsRefused) {
  for (const auto& [body, status] : std::vector<std::pair<std::string, int>>{
           {"{}", 422},
           {R"({"feature":"f0","entities":{"user_id":["u1"]}})", 422},
           {R"({"feature":"clicks:nope","entities":{"user_id":["u1"]}})", 422},
           {R"({"feature":"shop:nope","entities":{"user_id":["u1"],"amount":[1]}})", 422},
           {R"({"feature":"nope:f0","entities":{"user_id":["u1"]}})", 404},
           {R"({"feature":"clicks:f0"})", 422},
           {R"({"feature":"clicks:f0","entities":{"user_id":["u1","u2"]}})", 422},
           {R"({"feature":"clicks:f0","entities":{"user_id":[]}})", 422},
           {R"({"feature":"clicks:f0","entities":{"user_id":[1]}})", 422},
           {R"({"feature":"clicks:f0","entities":{"user_id":["u1"]},"at":"2099-01-01T00:00:00Z"})",
            422},
           {R"({"feature":"clicks:f0","entities":{"user_id":["u1"]},"at":"soon"})", 422}}) {
    EXPECT_EQ(ask(body).status, status) << body;
  }
  EXPECT_EQ(line_.explained, "");
}

TEST_F(ExplainEndpoint, WhatTheLineCannotSayHasItsStatus) {
  for (const auto& [code, expected] :
       std::vector<std::pair<Code, int>>{{Code::kNotFound, 404},
                                         {Code::kInvalidArgument, 422},
                                         {Code::kOutOfRange, 422},
                                         {Code::kUnimplemented, 501},
                                         {Code::kResourceExhausted, 413},
                                         {Code::kUnavailable, 503},
                                         {Code::kFailedPrecondition, 503},
                                         {Code::kCorrupt, 500}}) {
    line_.failure = Status(code, "why");
    EXPECT_EQ(status("clicks:f0", kUser), expected);
  }
  line_.failure = {};
  line_.explanation = std::string((std::size_t{16} << 20) + 1, ' ');
  EXPECT_EQ(status("clicks:f0", kUser), 413);
  FeatureServer alone(fixture_.world, *fixture_.store, fixture_.state);
  EXPECT_EQ(
      alone
          .handle(
              {"POST", "/explain", {}, R"({"feature":"clicks:f0","entities":{"user_id":["u1"]}})"})
          .status,
      501);
}

TEST_F(ExplainEndpoint, RowsAreForWhoMayHaveThem) {
  allow({R"("view:clicks")",
         R"("view:clicks","rows:clicks")",
         R"("rows:clicks")",
         R"("service:shop","rows:*")",
         R"("service:shop")"});
  EXPECT_EQ(status("clicks:f0", kUser), 401);
  EXPECT_EQ(status("clicks:f0", kUser, "a"), 403) << "the feature, not what it is made of";
  EXPECT_EQ(status("clicks:f0", kUser, "b"), 200);
  EXPECT_EQ(status("clicks:f0", kUser, "c"), 403);
  EXPECT_EQ(status("spend:f0", kUser, "b"), 403);
  constexpr char kBoth[] = R"({"user_id":["u1"],"amount":[10]})";
  EXPECT_EQ(status("shop:f0", kBoth, "d"), 200);
  EXPECT_EQ(status("shop:f0", kBoth, "e"), 403);
  EXPECT_EQ(status("shop:with_f1", kBoth, "e"), 200) << "shows values that he may have, no rows";
  EXPECT_EQ(line_.rows_of, "") << "and the line is told that no rows are permitted";
  EXPECT_EQ(status("shop:with_f1", kBoth, "b"), 403);
  EXPECT_EQ(status("clicks:f0", kUser, "d"), 403);
  line_.failure = Status(Code::kNotFound, "no table silver/salaries yet");
  const Response none =
      ask(R"({"feature":"clicks:f0","entities":{"user_id":["u1"]}})", {{"x-api-key", "b"}});
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.body.find("salaries"), std::string::npos) << "he may not read the registry";
}

TEST_F(ExplainEndpoint, ItWaitsWhereReadsDoNot) {
  EXPECT_TRUE(FeatureServer::is_slow({"POST", "/explain", {}, "{}"}));
  EXPECT_EQ(server_.handle({"GET", "/explain", {}, ""}).status, 405);
}

}  // namespace
}  // namespace assay::serve
