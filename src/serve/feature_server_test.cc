// Every endpoint and every error, over a loopback socket, against the shapes of Feast's own server.

#include "serve/feature_server.h"

#include <limits>

#include <gtest/gtest.h>

#include "serve/http_client.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

class FeatureServerTest : public testing::Test {
 protected:
  void SetUp() override {
    HttpOptions options;
    options.port = 0;
    options.threads = 1;
    auto started = start_http_server(fixture_.world, features_.handler(), options);
    ASSERT_TRUE(started.ok()) << started.status().to_string();
    server_ = std::move(started).value();
    client_ = std::make_unique<HttpClient>(server_->port());
  }
  WireAnswer get(const std::string& body) {
    return client_->ask("POST", "/get-online-features", body).value_or(WireAnswer());
  }
  WireAnswer predict(const std::string& body) {
    return client_->ask("POST", "/predict", body).value_or(WireAnswer());
  }

  ServingFixture fixture_;
  FeatureServer features_{fixture_.world, *fixture_.store, fixture_.state};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(FeatureServerTest, FeaturesComeInFeastsShapeAndInRequestOrder) {
  const WireAnswer answer = get(
      R"({"entities": {"user_id": ["u1", "nobody"]}, "full_feature_names": false, )"
      R"("include_feature_view_version_metadata": false, "features": ["spend:f0", "clicks:f1"]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.body,
            R"({"results":[)"
            R"({"values":["u1","nobody"],"statuses":["PRESENT","PRESENT"],)"
            R"("event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},)"
            R"({"values":[9.25,null],"statuses":["PRESENT","NOT_FOUND"],)"
            R"("event_timestamps":["1970-01-01T23:30:00Z","1970-01-01T00:00:00Z"]},)"
            R"({"values":[2.0,null],"statuses":["PRESENT","NOT_FOUND"],)"
            R"("event_timestamps":["1970-01-01T23:30:00Z","1970-01-01T00:00:00Z"]}],)"
            R"("metadata":{"feature_names":["user_id","f0","f1"]}})");
  EXPECT_EQ(answer.header("x-assay-as-of"), "1970-01-02T00:00:00Z");
  EXPECT_EQ(answer.header("x-assay-known-until"), "1970-01-01T23:30:00Z");
}

TEST_F(FeatureServerTest, AllFourStatusesAreToldApart) {
  const WireAnswer answer = get(
      R"({"entities":{"user_id":["u2"]},"features":["clicks:f0","clicks:f1","spend:f0","routes:f0"]})");
  EXPECT_EQ(answer.status, 422) << "routes also needs item_id";
  const WireAnswer both = get(
      R"({"entities":{"item_id":[4],"user_id":["u2"]},"features":["clicks:f0","clicks:f1","spend:f0","routes:f0"],"full_feature_names":true})");
  EXPECT_EQ(
      both.body,
      R"({"results":[)"
      R"({"values":[4],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]},)"
      R"({"values":["u2"],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]},)"
      R"({"values":[null],"statuses":["NULL_VALUE"],"event_timestamps":["1970-01-01T23:30:00Z"]},)"
      R"({"values":[-0.0],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T23:30:00Z"]},)"
      R"({"values":[null],"statuses":["OUTSIDE_MAX_AGE"],"event_timestamps":["1970-01-01T21:30:00Z"]},)"
      R"({"values":[null],"statuses":["NOT_FOUND"],"event_timestamps":["1970-01-01T00:00:00Z"]}],)"
      R"("metadata":{"feature_names":["item_id","user_id","clicks__f0","clicks__f1","spend__f0","routes__f0"]}})");
}

TEST_F(FeatureServerTest, ASumThatDoesNotFitIsAnsweredAndCounted) {
  catalog::FeatureViewDef definition;
  definition.name = "sums";
  definition.entity = "user";
  definition.slide = {60 * kMicrosPerSecond};
  catalog::FeatureDef sum;
  sum.kind = catalog::FeatureDef::Kind::kWindow;
  sum.name = "units";
  sum.aggregate = catalog::Aggregate::kSum;
  sum.of = "units";
  sum.over = {{24 * ServingFixture::kHour}};
  definition.features = {sum};
  catalog::EntityDef entity;
  entity.name = "user";
  entity.keys = {{"user_id", data::Type::kString, false}};
  const data::SchemaPtr source = data::make_schema({{"user_id", data::Type::kString, false},
                                                    {"event_time", data::Type::kTimestamp, false},
                                                    {"known_time", data::Type::kTimestamp, false},
                                                    {"sequence", data::Type::kInt64, false},
                                                    {"units", data::Type::kInt64, false}});
  const auto view = gold::FeatureView::compile(definition, entity, *source).value();
  data::BatchBuilder rows(source);
  for (int64_t i = 0; i < 2; ++i) {
    rows.column(0).append_text("u1");
    rows.column(1).append(ServingFixture::kTime);
    rows.column(2).append(ServingFixture::kTime);
    rows.column(3).append(i);
    rows.column(4).append(std::numeric_limits<int64_t>::max());
  }
  ASSERT_TRUE(
      fixture_.store->apply(*view, rows.finish(), std::nullopt, 0, EventTime{ServingFixture::kTime})
          .ok());
  ServingState state = fixture_.make_state();
  state.views["sums"] = view;
  features_.replace(std::make_shared<const ServingState>(state));
  const WireAnswer answer = get(R"({"entities":{"user_id":["u1"]},"features":["sums:units_24h"]})");
  EXPECT_NE(answer.body.find(R"("values":[null],"statuses":["OVERFLOW"])"), std::string::npos)
      << answer.body;
  EXPECT_NE(client_->ask("GET", "/metrics")
                ->body.find("feast_online_features_status_total{feature_view=\"sums\",status="
                            "\"OVERFLOW\"} 1\n"),
            std::string::npos);
}

TEST_F(FeatureServerTest, AServiceAnswersWithOnDemandFeaturesAndDropsRequestValues) {
  const WireAnswer answer = get(
      R"({"entities":{"amount":[10],"user_id":["u1"]},"feature_service":"shop","features":["ignored"]})");
  EXPECT_EQ(
      answer.body,
      R"({"results":[)"
      R"({"values":["u1"],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]},)"
      R"({"values":[1.5],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T23:30:00Z"]},)"
      R"({"values":[2.0],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T23:30:00Z"]},)"
      R"({"values":[20.0],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]},)"
      R"({"values":[12.0],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]}],)"
      R"("metadata":{"feature_names":["user_id","f0","f1","double_amount","with_f1"]}})");
  const WireAnswer alike = get(
      R"({"entities":{"amount":[10],"user_id":["u1"]},"features":["clicks:f0","clicks:f1","basket:double_amount","basket:with_f1"]})");
  EXPECT_EQ(alike.body, answer.body) << "the same by references";
}

TEST_F(FeatureServerTest, TextGoesInAndOutUnchanged) {
  const WireAnswer answer =
      get(R"({"entities":{"user_id":["Zo\u00eb \"q\""]},"features":["clicks:f0"]})");
  EXPECT_NE(answer.body.find(R"({"values":["Zoë \"q\""])"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find(R"({"values":[1e+22])"), std::string::npos) << answer.body;
}

TEST_F(FeatureServerTest, ANullKeyIsNotFoundAndNoRowsAreNoRows) {
  EXPECT_NE(get(R"({"entities":{"user_id":[null]},"features":["clicks:f0"]})")
                .body.find(R"({"values":[null],"statuses":["NOT_FOUND"])"),
            std::string::npos);
  EXPECT_EQ(
      get(R"({"entities":{"user_id":[]},"features":["clicks:f0"]})").body,
      R"({"results":[{"values":[],"statuses":[],"event_timestamps":[]},)"
      R"({"values":[],"statuses":[],"event_timestamps":[]}],"metadata":{"feature_names":["user_id","f0"]}})");
}

TEST_F(FeatureServerTest, UnknownNamesAre404WithFeastsClasses) {
  const WireAnswer view = get(R"({"features":["nope:x"],"entities":{"user_id":["u1"]}})");
  EXPECT_EQ(view.status, 404);
  EXPECT_EQ(view.body,
            R"("{\"module\": \"feast.errors\", \"class\": \"FeatureViewNotFoundException\", )"
            R"(\"message\": \"Feature view nope does not exist in project shop\"}")");
  const WireAnswer service = get(R"({"feature_service":"shp","entities":{"user_id":["u1"]}})");
  EXPECT_EQ(service.status, 404);
  EXPECT_NE(service.body.find("FeatureServiceNotFoundException"), std::string::npos);
  EXPECT_NE(service.body.find("did you mean"), std::string::npos) << service.body;
  const WireAnswer amount = get(R"({"feature_service":"shop","entities":{"user_id":["u1"]}})");
  EXPECT_EQ(amount.status, 404);
  EXPECT_NE(amount.body.find("RequestDataNotFoundInEntityRowsException"), std::string::npos);
}

TEST_F(FeatureServerTest, WhatTheClientGotWrongIs422) {
  for (
      const std::string& body : std::vector<std::string>{
          R"({"features":["clicks:nope"],"entities":{"user_id":["u1"]}})",
          R"({"features":["clicks"],"entities":{"user_id":["u1"]}})",
          R"({"features":["clicks:f0","spend:f0"],"entities":{"user_id":["u1"]}})",
          R"({"features":["clicks:f0","clicks:f0"],"entities":{"user_id":["u1"]},"full_feature_names":true})",
          R"({"features":["basket:with_f1"],"entities":{"amount":[1]}})",
          R"({"features":["clicks:f0"],"entities":{"zzz":["u1"]}})",
          R"({"features":["clicks:f0"],"entities":{"user_id":[1]}})",
          R"({"features":["routes:f0"],"entities":{"user_id":["a"],"item_id":["b"]}})",
          R"({"features":["routes:f0"],"entities":{"user_id":["a","b"],"item_id":[1]}})",
          R"({"features":[],"entities":{"user_id":["a"]}})",
          R"({"entities":{"user_id":["a"]}})",
      }) {
    const WireAnswer answer = get(body);
    EXPECT_EQ(answer.status, 422) << body;
    EXPECT_EQ(answer.body.find(R"("{\"module\": \"feast.errors\", \"class\": )"), 0U)
        << answer.body;
  }
  for (const std::string& body : std::vector<std::string>{"",
                                                          "{nope",
                                                          "[]",
                                                          R"({"features":["clicks:f0"]})",
                                                          R"({"entities":{"user_id":"u1"}})"}) {
    const WireAnswer answer = get(body);
    EXPECT_EQ(answer.status, 422) << body;
    EXPECT_EQ(answer.body.find(R"({"detail":[{"type":)"), 0U) << answer.body;
  }
}

TEST_F(FeatureServerTest, MoreValuesThanTheBoundAre413) {
  std::string users = "\"u\"";
  for (int i = 0; i < 600'000; ++i) {
    users += ",\"u\"";
  }
  EXPECT_EQ(get(R"({"features":["clicks:f0","clicks:f1"],"entities":{"user_id":[)" + users + "]}}")
                .status,
            413);
}

TEST_F(FeatureServerTest, TheBoundHoldsForAViewWithoutAnEntityToo) {
  const auto totals = std::make_shared<online::FakeView>("totals", std::vector<data::Field>{}, 2);
  fixture_.apply(totals, {});
  ServingState state = fixture_.make_state();
  state.views["totals"] = totals;
  features_.replace(std::make_shared<const ServingState>(state));
  const auto status = [&](int rows) {
    std::string values = "0";
    for (int i = 1; i < rows; ++i) {
      values += ",0";
    }
    return get(R"({"features":["totals:f0","totals:f1"],"entities":{"x":[)" + values + "]}}")
        .status;
  };
  EXPECT_EQ(status(3), 200);
  EXPECT_EQ(status(500'001), 413);
}

TEST_F(FeatureServerTest, AChangedDefinitionIsUnavailableNotWrong) {
  ServingState changed = fixture_.make_state();
  changed.views["clicks"] = std::make_shared<online::FakeView>(
      "clicks", std::vector<data::Field>{{"user_id", data::Type::kString}}, 2, std::nullopt, 99);
  features_.replace(std::make_shared<const ServingState>(changed));
  EXPECT_EQ(get(R"({"features":["clicks:f0"],"entities":{"user_id":["u1"]}})").status, 503);
}

TEST_F(FeatureServerTest, TheDataClockAnswersForTheDatasOwnInstant) {
  ServingState state = fixture_.make_state();
  state.clock = catalog::ServingClock::kData;
  features_.replace(std::make_shared<const ServingState>(state));
  const WireAnswer answer = get(R"({"features":["clicks:f0"],"entities":{"user_id":["u1"]}})");
  EXPECT_EQ(answer.header("x-assay-as-of"), "1970-01-01T23:30:00Z");
}

TEST_F(FeatureServerTest, PredictScoresEachRow) {
  const WireAnswer answer = predict(R"({"entities":{"user_id":["u1","nobody"],"amount":[10,1]}})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(
      answer.body,
      R"({"predictions":[{"score":23.5,"status":"PRESENT"},{"score":202.0,"status":"NOT_FOUND"}],)"
      R"("model":"buy","version":"3"})");
  const WireAnswer with = predict(
      R"({"model":"buy","entities":{"user_id":["u1"],"amount":[10]},"with_features":true})");
  EXPECT_EQ(with.body,
            R"({"predictions":[{"score":23.5,"status":"PRESENT"}],"model":"buy","version":"3",)"
            R"("features":[{"f0":1.5,"f1":2.0,"double_amount":20.0,"with_f1":12.0}]})");
  EXPECT_EQ(with.header("x-assay-as-of"), "1970-01-02T00:00:00Z");
}

TEST_F(FeatureServerTest, PredictNamesAMissingModel) {
  const WireAnswer unknown =
      predict(R"({"model":"byu","entities":{"user_id":["u1"],"amount":[1]}})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body.find(R"({"detail":"Model byu does not exist)"), 0U) << unknown.body;
  EXPECT_EQ(predict(R"({"entities":{"user_id":["u1"]}})").status, 404) << "amount is missing";
  EXPECT_EQ(predict(R"({"entities":{"amount":[1]}})").status, 422);
  EXPECT_EQ(predict("{").status, 422);
  ServingState two = fixture_.make_state();
  two.models.emplace("other", two.models.at("buy"));
  features_.replace(std::make_shared<const ServingState>(two));
  EXPECT_EQ(predict(R"({"entities":{"user_id":["u1"],"amount":[1]}})").status, 422);
  two.models.clear();
  features_.replace(std::make_shared<const ServingState>(two));
  EXPECT_EQ(predict(R"({"entities":{"user_id":["u1"],"amount":[1]}})").status, 404);
}

TEST_F(FeatureServerTest, HealthIsEmptyAndWrongRoutesAndVerbsAnswerAsFeast) {
  EXPECT_EQ(client_->ask("GET", "/health")->status, 200);
  EXPECT_EQ(client_->ask("GET", "/health?x=1")->body, "");
  const WireAnswer nowhere = *client_->ask("GET", "/nope");
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_EQ(nowhere.body, R"({"detail":"Not Found"})");
  const WireAnswer verb = *client_->ask("GET", "/get-online-features");
  EXPECT_EQ(verb.status, 405);
  EXPECT_EQ(verb.body, R"({"detail":"Method Not Allowed"})");
  EXPECT_EQ(verb.header("allow"), "POST");
  EXPECT_EQ(client_->ask("POST", "/health", "")->status, 405);
  EXPECT_EQ(client_->ask("HEAD", "/health")->status, 200);
  EXPECT_EQ(client_->ask("HEAD", "/ready")->body, "");
  EXPECT_EQ(client_->ask("HEAD", "/metrics")->status, 405);
}

TEST_F(FeatureServerTest, MetricsSayHowFarTheStoreIsForEachViewThatIsServed) {
  const auto known = [&](const std::string& view) -> std::string {
    const std::string begin = "assay_serve_view_known_until_seconds{view=\"" + view + "\"} ";
    const std::string text = client_->ask("GET", "/metrics")->body;
    const std::size_t at = text.find(begin);
    return at == std::string::npos
               ? ""
               : text.substr(at + begin.size(), text.find('\n', at) - at - begin.size());
  };
  EXPECT_EQ(known("clicks"), "84600.000000") << "23:30, as x-assay-known-until has it";
  EXPECT_EQ(known("nowhere"), "");
  EXPECT_EQ(known("spend"), "84600.000000");
  ServingState fewer = fixture_.make_state();
  fewer.views.erase("clicks");
  fewer.services.clear();
  fewer.models.clear();
  features_.replace(std::make_shared<const ServingState>(std::move(fewer)));
  EXPECT_EQ(known("clicks"), "") << "it is served no more";
  EXPECT_EQ(known("spend"), "84600.000000");
}

TEST_F(FeatureServerTest, MetricsCountRequestsByEndpointAndStatusUnderBothNames) {
  get(R"({"features":["clicks:f0"],"entities":{"user_id":["u1","nobody"]}})");
  get("{");
  const WireAnswer answer = *client_->ask("GET", "/metrics");
  EXPECT_EQ(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* const line :
       {"assay_serve_requests_total{endpoint=\"/get-online-features\",status=\"200\"} 1\n",
        "assay_serve_requests_total{endpoint=\"/get-online-features\",status=\"422\"} 1\n",
        "feast_feature_server_request_total{endpoint=\"/get-online-features\",status=\"200\"} 1\n",
        "feast_online_features_request_total 2\n",
        "feast_online_features_status_total{feature_view=\"clicks\",status=\"PRESENT\"} 1\n",
        "feast_online_features_status_total{feature_view=\"clicks\",status=\"NOT_FOUND\"} 1\n",
        "assay_serve_entities_total 2\n",
        "assay_serve_request_seconds_count{endpoint=\"/get-online-features\"} 2\n",
        "feast_feature_server_request_latency_seconds_count{endpoint=\"/"
        "get-online-features\",feature_count=\"1\","
        "feature_view_count=\"1\"} 1\n"}) {
    EXPECT_NE(answer.body.find(line), std::string::npos) << line << answer.body;
  }
}

}  // namespace
}  // namespace assay::serve
