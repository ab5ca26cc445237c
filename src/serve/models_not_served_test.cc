// Models that are trained and cannot be asked are there, and say why not.

#include <gtest/gtest.h>

#include "data/protobuf.h"
#include "serve/access.h"
#include "serve/feature_server.h"
#include "serve/grpc_calls.h"
#include "serve/grpc_health.h"
#include "serve/model_metrics.h"
#include "serve/serving_fixture.h"
#include "serve/signature.h"

namespace assay::serve {
namespace {

constexpr char kWhy[] = "model buy version 3 was trained under other definitions";
constexpr char kQuestion[] = R"({"model":"buy","entities":{"user_id":["u1"],"amount":[1]}})";

class ModelsNotServed : public testing::Test {
 protected:
  ModelsNotServed() {
    ServingState changed = fixture_.make_state();
    changed.models.clear();
    changed.models_not_served["buy"] = kWhy;
    away_ = std::make_shared<const ServingState>(std::move(changed));
  }
  Response ask(const std::string& body, const std::string& secret = "") {
    std::vector<std::pair<std::string, std::string>> headers;
    if (!secret.empty()) {
      headers.emplace_back("x-api-key", secret);
    }
    return server_.handle({"POST", "/predict", headers, body});
  }
  std::string get(const std::string& target) {
    return server_.handle({"GET", target, {}, ""}).body;
  }
  /// What health says of a service: 1 serving, 2 not serving.
  int64_t health(const std::string& service) {
    std::string request;
    data::ProtoWriter(request).bytes(1, service);
    const Result<std::string> answer = answer_grpc(server_, kHealthCheck, request);
    EXPECT_TRUE(answer.ok()) << answer.status().to_string();
    data::ProtoReader reader(*answer);
    return static_cast<int64_t>((*reader.next())->bits);
  }

  ServingFixture fixture_;
  std::shared_ptr<const ServingState> away_;
  FeatureServer server_{fixture_.world, *fixture_.store, fixture_.state};
};

TEST_F(ModelsNotServed, AreUnavailableAndNotUnknown) {
  EXPECT_EQ(ask(kQuestion).status, 200);
  server_.replace(away_);
  for (const char* const question :
       {kQuestion, R"({"entities":{"user_id":["u1"],"amount":[1]}})"}) {
    const Response answer = ask(question);
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find(kWhy), std::string::npos) << answer.body;
  }
  EXPECT_EQ(ask(R"({"model":"bye","entities":{}})").status, 404);
  std::string request;
  data::ProtoWriter(request).bytes(1, "buy");
  EXPECT_EQ(answer_grpc(server_, "/assay.serving.PredictionService/Predict", request).code(),
            Code::kUnavailable);
  server_.replace(fixture_.state);
  EXPECT_EQ(ask(kQuestion).status, 200);
}

TEST_F(ModelsNotServed, AnotherOneIsNotTheOnlyOne) {
  ServingState two = fixture_.make_state();
  two.models_not_served["rent"] = "no";
  server_.replace(std::make_shared<const ServingState>(std::move(two)));
  EXPECT_EQ(ask(kQuestion).status, 200);
  EXPECT_EQ(ask(R"({"entities":{"user_id":["u1"],"amount":[1]}})").status, 422);
  EXPECT_EQ(health("assay.serving.PredictionService"), 1);
}

TEST_F(ModelsNotServed, WhoMayNotAskThemIsNotToldWhy) {
  const auto access =
      Access::parse(R"({"callers":[{"name":"a","secret_sha256":")" + sha256_hex("s") +
                        R"(","may":["registry"]},)" + R"({"name":"b","secret_sha256":")" +
                        sha256_hex("t") + R"(","may":["model:buy"]}]})",
                    {});
  ASSERT_TRUE(access.ok()) << access.status().to_string();
  server_.gate().protect(*access);
  server_.replace(away_);
  EXPECT_EQ(ask(kQuestion, "s").status, 403);
  EXPECT_EQ(ask(R"({"entities":{}})", "s").status, 403);
  EXPECT_EQ(ask(R"({"model":"bye","entities":{}})", "s").status, 404);
  EXPECT_EQ(ask(kQuestion, "t").status, 503);
}

TEST_F(ModelsNotServed, ReadinessHealthAndMetricsSayIt) {
  EXPECT_EQ(health("assay.serving.PredictionService"), 1);
  EXPECT_NE(get("/metrics").find("assay_serve_model_served{model=\"buy\"} 1\n"), std::string::npos);
  server_.replace(away_);
  EXPECT_EQ(
      get("/ready"),
      R"({"ready":true,"views":3,"services":1,"models":0,"models_not_served":1,"models_kept":0})");
  EXPECT_EQ(health("assay.serving.PredictionService"), 2);
  EXPECT_EQ(health("feast.serving.ServingService"), 1);
  EXPECT_EQ(health(""), 1);
  EXPECT_NE(get("/metrics").find("assay_serve_model_served{model=\"buy\"} 0\n"), std::string::npos);
}

TEST_F(ModelsNotServed, AnOlderVersionInThePlaceOfAPromotedOneIsCounted) {
  ServingState kept = fixture_.make_state();
  kept.models.at("buy").instead_of = "3";
  server_.replace(std::make_shared<const ServingState>(std::move(kept)));
  EXPECT_EQ(ask(kQuestion).status, 200);
  EXPECT_NE(get("/ready").find("\"models_kept\":1}"), std::string::npos);
  EXPECT_NE(get("/metrics").find("assay_serve_model_kept{model=\"buy\"} 1\n"), std::string::npos);
}

TEST_F(ModelsNotServed, AModelOfDefinitionsBeforeIsServedAndCounted) {
  ServingState of_before = fixture_.make_state();
  of_before.models.at("buy").is_of_before = true;
  EXPECT_EQ(model_metrics(of_before),
            "# HELP assay_serve_model_served Whether a trained model can be asked for "
            "predictions.\n"
            "# TYPE assay_serve_model_served gauge\n"
            "assay_serve_model_served{model=\"buy\"} 1\n"
            "# HELP assay_serve_model_of_definitions_before Whether a model is asked with features "
            "of the definitions before those that are served, which get no more rows.\n"
            "# TYPE assay_serve_model_of_definitions_before gauge\n"
            "assay_serve_model_of_definitions_before{model=\"buy\"} 1\n"
            "# HELP assay_serve_model_kept Whether a model is asked in an older version than the "
            "one in production, which cannot be served.\n"
            "# TYPE assay_serve_model_kept gauge\n"
            "assay_serve_model_kept{model=\"buy\"} 0\n");
  EXPECT_EQ(model_metrics(ServingState()), "");
}

}  // namespace
}  // namespace assay::serve
