// Pushes by gRPC: the line is handed the very rows that it gets from the same push over HTTP.

#include "serve/grpc_push.h"

#include <limits>
#include <utility>

#include <gtest/gtest.h>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "serve/fake_line.h"
#include "serve/grpc_calls.h"
#include "serve/serving_fixture.h"
#include "serve/signature.h"

namespace assay::serve {
namespace {

using data::ProtoWriter;

/// A message of these fields, in their order.
std::string message(const std::vector<std::pair<int, std::string>>& fields) {
  std::string bytes;
  for (const auto& [number, value] : fields) {
    ProtoWriter(bytes).bytes(number, value);
  }
  return bytes;
}

std::string json_val(const std::string& json) {
  return message({{32, json}});
}

/// An entry of `rows`; values are messages.
std::pair<int, std::string> column(const std::string& name,
                                   const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) {
    ProtoWriter(list).bytes(1, value);
  }
  return {2, message({{1, name}, {2, list}})};
}

std::string of(const data::Scalar& value) {
  return data::to_feast_value(value);
}

class GrpcPush : public testing::Test {
 protected:
  Result<std::string> push(const std::vector<std::pair<int, std::string>>& fields,
                           bool verdicts = false,
                           const std::string& secret = "") {
    std::string request = message(fields);
    if (verdicts) {
      ProtoWriter(request).boolean(3, true);
    }
    return answer_grpc(server_, kPushMethod, request, {"", secret, {}});
  }
  int over_http(const std::string& body) {
    return server_.handle({"POST", "/push", {}, body}).status;
  }

  ServingFixture fixture_;
  FakeLine line_;
  FeatureServer server_{fixture_.world, *fixture_.store, fixture_.state, nullptr, &line_};
  const std::pair<int, std::string> source_{1, "clicks_source"};
};

TEST_F(GrpcPush, RowsAreThoseOfTheSamePushOverHttp) {
  using data::Scalar;
  ASSERT_EQ(over_http(R"({"push_source_name":"clicks_source","df":{"id":["a","b"],)"
                      R"("n":[9007199254740993,null],"x":[0.1,-0.0],"on":[true,false],)"
                      R"("raw":["AP8=",""],"at":[1700000000,-1],"tags":[["x","\"y\""],[]],)"
                      R"("more":[{"k":[1,null]},"text"]}})"),
            200);
  const std::string over_http_taken = std::exchange(line_.taken, "");
  const std::string tags = message({{12, message({{1, "x"}, {1, "\"y\""}})}});
  const Result<std::string> pushed =
      push({source_,
            column("id", {of(Scalar::string("a")), of(Scalar::string("b"))}),
            column("n", {of(Scalar::int64(9007199254740993)), ""}),
            column("x", {of(Scalar::float64(7)), of(Scalar::float64(8))}),
            column("on", {of(Scalar::boolean(true)), of(Scalar::boolean(false))}),
            column("raw", {message({{1, std::string("\x00\xff", 2)}}), message({{1, ""}})}),
            column("at",
                   {of(Scalar::timestamp(1'700'000'000 * kMicrosPerSecond)),
                    of(Scalar::timestamp(-kMicrosPerSecond))}),
            column("tags", {tags, message({{12, ""}})}),
            column("more", {json_val("{\"k\": [1,\nnull]}"), json_val("\"text\"")}),
            // A key that a map has twice counts once, with the later value.
            column("x", {of(Scalar::float64(0.1)), of(Scalar::float64(-0.0))})});
  ASSERT_TRUE(pushed.ok()) << pushed.status().to_string();
  EXPECT_EQ(*pushed, "") << "no verdicts were asked for";
  EXPECT_EQ(line_.taken, over_http_taken);
}

TEST_F(GrpcPush, ManyColumnsKeepTheirPlacesAndTheLastOfOneName) {
  std::vector<std::pair<int, std::string>> fields{source_};
  std::string expected = "{";
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 40; ++i) {
      fields.push_back(column("c" + std::to_string(i), {of(data::Scalar::int64(100 * round + i))}));
    }
  }
  for (int i = 0; i < 40; ++i) {
    expected += (i == 0 ? "\"c" : ",\"c") + std::to_string(i) + "\":" + std::to_string(100 + i);
  }
  ASSERT_TRUE(push(fields).ok());
  EXPECT_EQ(line_.taken, expected + "}\n");
}

TEST_F(GrpcPush, VerdictsAreCountedAndSaidOfEachRow) {
  using data::Scalar;
  const Result<std::string> pushed = push(
      {source_, column("a", {of(Scalar::int64(1)), of(Scalar::string("x")), of(Scalar::int64(1))})},
      true);
  ASSERT_TRUE(pushed.ok()) << pushed.status().to_string();
  std::string expected;
  ProtoWriter writer(expected);
  for (const int fate : {1, 2, 3}) {
    writer.integer(fate, 1);
  }
  const auto row = [&](int fate, const std::vector<std::pair<int, std::string>>& texts) {
    std::string one;
    ProtoWriter(one).integer(1, fate);
    writer.bytes(4, one + message(texts));
  };
  row(1, {});
  row(2, {{2, "clicks"}, {3, "wrong_type"}, {4, "a"}});
  row(3, {{2, "clicks"}});
  EXPECT_EQ(*pushed, expected);
  line_.verdict = Status(Code::kFailedPrecondition, "check amount failed");
  line_.taken.clear();
  EXPECT_EQ(push({source_, column("a", {of(Scalar::int64(1))})}, true).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(line_.taken, "");
}

TEST_F(GrpcPush, AKeyIsTheSameOneAsOverHttp) {
  const auto rows = column("a", {of(data::Scalar::int64(1))});
  ASSERT_TRUE(push({source_, rows, {4, "k1"}}).ok());
  ASSERT_EQ(server_
                .handle({"POST",
                         "/push",
                         {{"idempotency-key", "k1"}},
                         R"({"push_source_name":"clicks_source","df":{"a":[1]}})"})
                .status,
            200);
  ASSERT_TRUE(push({source_, rows}).ok());
  ASSERT_EQ(line_.keys.size(), 3U);
  EXPECT_EQ(line_.keys[0].size(), 64U);
  EXPECT_EQ(line_.keys[0], line_.keys[1]);
  EXPECT_EQ(line_.keys[2], "");
  EXPECT_EQ(push({source_, rows, {4, std::string(256, 'k')}}).code(), Code::kInvalidArgument);
  line_.failure = Status(Code::kAlreadyExists, "other rows");
  EXPECT_EQ(push({source_, rows, {4, "k1"}}).code(), Code::kInvalidArgument);
}

TEST_F(GrpcPush, RefusalsHaveTheCodesOfTheirReasons) {
  using data::Scalar;
  const auto rows = column("a", {of(Scalar::int64(1))});
  const Result<std::string> unknown = push({{1, "nope"}, rows});
  EXPECT_EQ(unknown.code(), Code::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("PushSourceNotFoundException"), std::string::npos);
  EXPECT_EQ(push({{1, "topic"}, rows}).code(), Code::kUnimplemented);
  EXPECT_EQ(push({source_, rows, column("b", {})}).code(), Code::kInvalidArgument);
  EXPECT_EQ(push({source_, column("a", {json_val("{")})}).code(), Code::kInvalidArgument);
  for (const double none :
       {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(push({source_, column("a", {of(Scalar::float64(none))})}).code(),
              Code::kInvalidArgument);
  }
  EXPECT_EQ(answer_grpc(server_, kPushMethod, "\x0a").code(), Code::kInvalidArgument);
  EXPECT_EQ(answer_grpc(server_, kPushMethod, std::string("\x08\x01", 2)).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(line_.taken, "");
  line_.failure = Status(Code::kUnavailable, "the catalog is away");
  EXPECT_EQ(push({source_, rows}).code(), Code::kUnavailable);
  line_.failure = Status(Code::kResourceExhausted, "the disk is full");
  EXPECT_EQ(push({source_, rows}).code(), Code::kResourceExhausted);
  FeatureServer alone(fixture_.world, *fixture_.store, fixture_.state);
  EXPECT_EQ(answer_grpc(alone, kPushMethod, message({source_, rows})).code(), Code::kUnimplemented);
}

TEST_F(GrpcPush, CallersPushWhereTheyMay) {
  server_.gate().protect(*Access::parse(R"({"callers":[{"name":"a","secret_sha256":")" +
                                            sha256_hex("s") +
                                            R"(","may":["source:clicks_source"]}]})",
                                        [](const std::string& path) -> Result<std::string> {
                                          return Status(Code::kNotFound, path);
                                        }));
  const auto rows = column("a", {of(data::Scalar::int64(1))});
  EXPECT_EQ(push({source_, rows}).code(), Code::kUnauthenticated);
  EXPECT_EQ(push({{1, "topic"}, rows}, false, "s").code(), Code::kPermissionDenied);
  EXPECT_TRUE(push({source_, rows}, false, "s").ok());
}

}  // namespace
}  // namespace assay::serve
