// Questions about the past, tags of answers, and readiness.

#include <algorithm>

#include <gtest/gtest.h>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "serve/feature_server.h"
#include "serve/grpc_calls.h"
#include "serve/http_head.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

/// Knows of each view what it was at one instant: what the store has for an hour before it.
class Archive : public LineControl {
 public:
  Archive(online::OnlineStore& store, const ServingModel& model)
      : model_then(std::make_shared<const ServingModel>(model)), store_(store) {}

  Status push(const std::string&, const std::string&, const std::string&) override { return {}; }
  Result<std::vector<RowVerdict>> judge(const std::string&, const std::string&) override {
    return std::vector<RowVerdict>();
  }
  Result<std::vector<std::string>> behind(const std::vector<std::string>&) override {
    return std::vector<std::string>();
  }
  Result<std::vector<gold::FeatureValues>> past(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime at) override {
    asked.push_back(at);
    return failure.ok() ? store_.read(view, keys, at)
                        : Result<std::vector<gold::FeatureValues>>(failure);
  }
  Result<std::shared_ptr<const ServingModel>> model_at(const std::string& model,
                                                       EventTime at) override {
    models_asked.push_back(model + " " + format_time(at));
    return failure.ok() ? model_then : Result<std::shared_ptr<const ServingModel>>(failure);
  }
  Result<std::string> explain(const ExplainQuestion&) override {
    return Status(Code::kUnimplemented, "no line");
  }

  std::vector<EventTime> asked;
  std::vector<std::string> models_asked;
  std::shared_ptr<const ServingModel> model_then;
  Status failure;

 private:
  online::OnlineStore& store_;
};

class AsOf : public testing::Test {
 protected:
  Response get(const std::string& more, const Headers& headers = {}) {
    return server_.handle(
        {"POST",
         "/get-online-features",
         headers,
         R"({"entities":{"user_id":["u1"]},"features":["spend:f0"])" + more + "}"});
  }
  static std::string header(const Response& response, const std::string& name) {
    for (const auto& [known, value] : own_headers(response)) {
      if (known == name) {
        return value;
      }
    }
    return "";
  }

  ServingFixture fixture_;
  Archive archive_{*fixture_.store, fixture_.state->models.at("buy")};
  FeatureServer server_{fixture_.world, *fixture_.store, fixture_.state, nullptr, &archive_};
};

TEST_F(AsOf, AnInstantIsAnsweredForFromThePast) {
  const EventTime at{ServingFixture::kTime + ServingFixture::kHour / 4};
  for (const Response& answer : {get(R"(,"at":"1970-01-01T23:45:00Z")"),
                                 get(R"(,"at":85500)"),
                                 get("", {{"x-assay-as-of", "1970-01-01T23:45:00Z"}})}) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(header(answer, "x-assay-as-of"), "1970-01-01T23:45:00Z");
    EXPECT_EQ(header(answer, "x-assay-known-until"), "");
    EXPECT_EQ(answer.body, get("").body) << "nothing changed since";
  }
  EXPECT_EQ(archive_.asked, (std::vector<EventTime>{at, at, at}));
}

TEST_F(AsOf, TheInstantOfTheBodyIsThatOfTheHeader) {
  const Headers header_too = {{"x-assay-as-of", "1970-01-01T23:45:00Z"}};
  EXPECT_EQ(get(R"(,"at":"1970-01-01T23:45:00.000Z")", header_too).status, 200);
  EXPECT_EQ(get(R"(,"at":85500)", header_too).status, 200);
  const Response two = get(R"(,"at":"1970-01-01T23:40:00Z")", header_too);
  EXPECT_EQ(two.status, 422) << two.body;
  EXPECT_NE(two.body.find("x-assay-as-of"), std::string::npos);
  EXPECT_EQ(get(R"(,"at":"then")", header_too).status, 422);
}

TEST_F(AsOf, APredictionIsScoredWithTheFeaturesOfThen) {
  const Response answer = server_.handle(
      {"POST",
       "/predict",
       {},
       R"({"entities":{"user_id":["u1"],"amount":[10]},"at":"1970-01-01T23:45:00Z"})"});
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.body.find("\"score\":23.5"), std::string::npos) << answer.body;
  EXPECT_EQ(header(answer, "x-assay-as-of"), "1970-01-01T23:45:00Z");
}

TEST_F(AsOf, APredictionIsByTheModelOfThen) {
  ServingModel then = fixture_.state->models.at("buy");
  then.version = "2";
  std::reverse(then.inputs.begin(), then.inputs.end());
  archive_.model_then = std::make_shared<const ServingModel>(std::move(then));
  ServingState without = fixture_.make_state();
  without.models.clear();
  without.models_not_served["buy"] = "it cannot be asked";
  const std::string past = R"(,"at":"1970-01-01T23:45:00Z")";
  const auto predict = [&](const std::string& more) {
    return server_.handle(
        {"POST", "/predict", {}, R"({"entities":{"user_id":["u1"],"amount":[10]})" + more + "}"});
  };
  EXPECT_NE(predict(past).body.find(R"("version":"2")"), std::string::npos);
  EXPECT_EQ(archive_.models_asked, std::vector<std::string>{"buy 1970-01-01T23:45:00Z"});
  EXPECT_NE(predict("").body.find(R"("version":"3")"), std::string::npos);
  server_.replace(std::make_shared<const ServingState>(std::move(without)));
  EXPECT_EQ(predict("").status, 503);
  EXPECT_EQ(predict(past).status, 200) << "then it could be";
  archive_.failure = Status(Code::kOutOfRange, "no version answered then");
  const Response none = predict(past);
  EXPECT_EQ(none.status, 422);
  EXPECT_NE(none.body.find("no version answered then"), std::string::npos) << none.body;
}

std::string proto(const std::vector<std::pair<int, std::string>>& fields) {
  std::string bytes;
  data::ProtoWriter writer(bytes);
  for (const auto& [number, value] : fields) {
    writer.bytes(number, value);
  }
  return bytes;
}

std::string proto_column(const std::string& name, const data::Scalar& value) {
  return proto({{1, name}, {2, proto({{1, data::to_feast_value(value)}})}});
}

TEST_F(AsOf, ByGrpcTheInstantIsInTheMetadataAndTheAnswerIsTheSame) {
  const std::string features = "/feast.serving.ServingService/GetOnlineFeatures";
  const std::string user = proto_column("user_id", data::Scalar::string("u1"));
  const std::string question = proto({{2, proto({{1, "spend:f0"}})}, {3, user}});
  const EventTime at{ServingFixture::kTime + ServingFixture::kHour / 4};
  const auto then = answer_grpc(server_, features, question, {}, "1970-01-01T23:45:00Z");
  ASSERT_TRUE(then.ok()) << then.status().to_string();
  EXPECT_EQ(archive_.asked, std::vector<EventTime>{at});
  EXPECT_EQ(*then, *answer_grpc(server_, features, question)) << "nothing changed since";
  EXPECT_EQ(archive_.asked.size(), 1U) << "now is not asked of the past";

  const std::string predict = "/assay.serving.PredictionService/Predict";
  const std::string to_score =
      proto({{2, user}, {2, proto_column("amount", data::Scalar::float64(10))}});
  const auto scored = answer_grpc(server_, predict, to_score, {}, "1970-01-01T23:45:00Z");
  ASSERT_TRUE(scored.ok()) << scored.status().to_string();
  EXPECT_EQ(*scored, *answer_grpc(server_, predict, to_score)) << "nothing changed since";
  EXPECT_EQ(archive_.asked.back(), at);

  // Of which instant an answer is, it says as HTTP does.
  const auto metadata =
      [&](const std::string& method, const std::string& message, const char* as_of) {
        return (*answer_grpc_in_time(server_, method, message, {}, as_of, {}))->metadata;
      };
  const auto headers = [&](const std::string& path, const std::string& more) {
    Headers found = own_headers(server_.handle(
        {"POST", path, {}, R"({"entities":{"user_id":["u1"],"amount":[10]})" + more + "}"}));
    std::erase_if(found, [](const auto& one) { return one.first == "etag"; });
    return found;
  };
  const std::string past = R"(,"at":"1970-01-01T23:45:00Z")";
  EXPECT_EQ(metadata(features, question, ""),
            headers("/get-online-features", R"(,"features":["spend:f0"])"));
  EXPECT_EQ(metadata(features, question, "").size(), 2U);
  EXPECT_EQ(metadata(features, question, "1970-01-01T23:45:00Z"),
            headers("/get-online-features", R"(,"features":["spend:f0"])" + past));
  EXPECT_EQ(metadata(predict, to_score, ""), headers("/predict", ""));
  EXPECT_EQ(metadata(predict, to_score, "1970-01-01T23:45:00Z"), headers("/predict", past));

  const auto refused = [&](FeatureServer& server, const std::string& as_of) {
    return answer_grpc(server, features, question, {}, as_of).code();
  };
  EXPECT_EQ(refused(server_, "1970-01-02T00:00:01Z"), Code::kInvalidArgument) << "the future";
  EXPECT_EQ(refused(server_, "soon"), Code::kInvalidArgument);
  archive_.failure = Status(Code::kOutOfRange, "dropped");
  EXPECT_EQ(refused(server_, "1970-01-01"), Code::kInvalidArgument);
  archive_.failure = Status(Code::kFailedPrecondition, "not so far");
  EXPECT_EQ(refused(server_, "1970-01-01"), Code::kUnavailable);
  FeatureServer alone(fixture_.world, *fixture_.store, fixture_.state);
  EXPECT_EQ(refused(alone, "1970-01-01"), Code::kUnimplemented);
}

TEST_F(AsOf, WhatIsNoPastIsRefused) {
  EXPECT_EQ(get(R"(,"at":"1970-01-02T00:00:01Z")").status, 422) << "the future";
  EXPECT_EQ(get(R"(,"at":"soon")").status, 422);
  EXPECT_EQ(get(R"(,"at":[1])").status, 422);
  EXPECT_EQ(get(R"(,"at":null)").status, 200) << "now";
  archive_.failure = Status(Code::kOutOfRange, "dropped");
  EXPECT_EQ(get(R"(,"at":0)").status, 422);
  archive_.failure = Status(Code::kFailedPrecondition, "not so far");
  EXPECT_EQ(get(R"(,"at":0)").status, 503);
  FeatureServer alone(fixture_.world, *fixture_.store, fixture_.state);
  EXPECT_EQ(alone
                .handle({"POST",
                         "/get-online-features",
                         {},
                         R"({"entities":{"user_id":["u1"]},"features":["spend:f0"],"at":0})"})
                .status,
            501);
}

TEST_F(AsOf, AnInstantBehindEscapesDoesNotReachTheTables) {
  EXPECT_EQ(get(R"(,"\u0061t":"1970-01-01T23:45:00Z")").status, 422);
  EXPECT_EQ(get(R"(,"\u0061t":null)").status, 200) << "now";
  EXPECT_EQ(server_
                .handle({"POST",
                         "/predict",
                         {},
                         R"({"entities":{"user_id":["u1"],"amount":[10]},"a\u0074":0})"})
                .status,
            422);
  EXPECT_EQ(archive_.asked, std::vector<EventTime>());
}

TEST_F(AsOf, OnlyWhatMayWaitIsSlow) {
  const auto slow = [](const std::string& target, const std::string& body, Headers headers = {}) {
    return FeatureServer::is_slow({"POST", target, std::move(headers), body});
  };
  EXPECT_TRUE(slow("/push", "{}"));
  EXPECT_TRUE(FeatureServer::is_write({"POST", "/push?a=b", {}, "{}"}));
  EXPECT_FALSE(FeatureServer::is_write({"POST", "/explain", {}, "{}"}));
  EXPECT_TRUE(slow("/materialize?async=true", "{}"));
  EXPECT_TRUE(slow("/materialize-incremental", "{}"));
  EXPECT_TRUE(slow("/get-online-features", R"({"at" : 1})"));
  EXPECT_TRUE(slow("/predict", "{}", {{"x-assay-as-of", "1970-01-01"}}));
  EXPECT_FALSE(slow("/get-online-features", R"({"entities":{"cat":[1]}})"));
  EXPECT_TRUE(slow("/write-to-online-store", "{}"));
  EXPECT_TRUE(FeatureServer::is_write({"POST", "/write-to-online-store", {}, "{}"}));
  EXPECT_FALSE(slow("/nope", "{}"));
  EXPECT_FALSE(FeatureServer::is_slow({"HEAD", "/push", {}, "{}"})) << "405 needs no thread";
}

TEST_F(AsOf, AnAnswerThatTheClientHasIsNotSentAgain) {
  const Response first = get("");
  const std::string tag = header(first, "etag");
  EXPECT_EQ(tag.size(), 18U);
  const Response same = get("", {{"if-none-match", "\"x\", " + tag}});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(header(same, "etag"), tag);
  EXPECT_EQ(header(same, "x-assay-as-of"), "1970-01-02T00:00:00Z");
  EXPECT_EQ(get("", {{"if-none-match", "\"x\""}}).status, 200);
  EXPECT_EQ(get("", {{"if-none-match", "*"}}).status, 304);
  EXPECT_EQ(server_.handle({"GET", "/health", {{"if-none-match", "*"}}, ""}).status, 200);
  const Response document = server_.handle({"GET", "/openapi.json", {}, ""});
  EXPECT_EQ(document.status, 200);
  EXPECT_NE(header(document, "etag"), "");
}

TEST_F(AsOf, ReadinessSaysWhatIsServed) {
  const Response ready = server_.handle({"GET", "/ready", {}, ""});
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(
      ready.body,
      R"({"ready":true,"views":3,"services":1,"models":1,"models_not_served":0,"models_kept":0})");
}

}  // namespace
}  // namespace assay::serve
