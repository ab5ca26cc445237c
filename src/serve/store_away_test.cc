// A store that is away, as clients of HTTP and gRPC meet it, and is back.

#include <gtest/gtest.h>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "online/redis_under_test.h"
#include "serve/feature_server.h"
#include "serve/grpc_calls.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

using data::ProtoWriter;

class StoreAway : public testing::Test {
 protected:
  StoreAway() {
    fixture_.store =
        online::open_redis_store(fixture_.world, redis_.url() + "?read_timeout=2s").value();
    fill();
    server_ = std::make_unique<FeatureServer>(fixture_.world, *fixture_.store, fixture_.state);
  }
  void fill() {
    fixture_.apply(fixture_.clicks,
                   {{"u1", ServingFixture::kTime, ServingFixture::kTime, {1.5, 2.0}}});
    fixture_.apply(fixture_.spend, {});
    fixture_.apply(fixture_.routes, {});
  }
  Response get(const std::string& path) { return server_->handle({"GET", path, {}, ""}); }
  Response features() {
    return server_->handle({"POST",
                            "/get-online-features",
                            {},
                            R"({"features":["clicks:f0"],"entities":{"user_id":["u1"]}})"});
  }
  Response predict() {
    return server_->handle(
        {"POST", "/predict", {}, R"({"entities":{"user_id":["u1"],"amount":[1]}})"});
  }
  /// The same two by gRPC.
  Code features_by_grpc() {
    std::string names;
    ProtoWriter(names).bytes(1, "clicks:f0");
    std::string request;
    ProtoWriter(request).bytes(2, names);
    ProtoWriter(request).bytes(3, column("user_id", data::Scalar::string("u1")));
    return answer_grpc(*server_, "/feast.serving.ServingService/GetOnlineFeatures", request).code();
  }
  Code predict_by_grpc() {
    std::string request;
    ProtoWriter(request).bytes(2, column("user_id", data::Scalar::string("u1")));
    ProtoWriter(request).bytes(2, column("amount", data::Scalar::float64(1)));
    return answer_grpc(*server_, "/assay.serving.PredictionService/Predict", request).code();
  }
  static std::string column(const std::string& name, const data::Scalar& value) {
    std::string list;
    ProtoWriter(list).bytes(1, data::to_feast_value(value));
    std::string entry;
    ProtoWriter writer(entry);
    writer.bytes(1, name);
    writer.bytes(2, list);
    return entry;
  }
  int health(const std::string& service) {
    std::string request;
    ProtoWriter(request).bytes(1, service);
    return answer_grpc(*server_, "/grpc.health.v1.Health/Check", request)->back();
  }
  void expect_all_is_well() {
    EXPECT_EQ(get("/ready").status, 200);
    EXPECT_EQ(features().status, 200);
    EXPECT_NE(features().body.find("1.5"), std::string::npos);
    EXPECT_EQ(predict().status, 200);
    EXPECT_EQ(features_by_grpc(), Code::kOk);
    EXPECT_EQ(predict_by_grpc(), Code::kOk);
    EXPECT_EQ(health(""), kServing);
  }
  void expect_it_is_away() {
    EXPECT_EQ(get("/ready").status, 503);
    EXPECT_EQ(get("/health").status, 200) << "the process answers";
    EXPECT_EQ(features().status, 503);
    EXPECT_EQ(predict().status, 503);
    EXPECT_EQ(features_by_grpc(), Code::kUnavailable);
    EXPECT_EQ(predict_by_grpc(), Code::kUnavailable);
    EXPECT_EQ(health(""), kNotServing);
    EXPECT_EQ(health("feast.serving.ServingService"), kNotServing);
    EXPECT_EQ(health("assay.serving.PredictionService"), kNotServing);
    EXPECT_EQ(health("assay.serving.PushService"), kServing) << "needs no store";
    EXPECT_EQ(health("grpc.health.v1.Health"), kServing);
    EXPECT_EQ(get("/api/v1/projects").status, 200) << "neither";
  }
  /// Until it is asked again.
  void wait_for_the_pause() { fixture_.clock.advance(Duration{kMicrosPerSecond}); }

  static constexpr int kServing = 1;
  static constexpr int kNotServing = 2;
  online::RedisUnderTest redis_;
  ServingFixture fixture_;
  std::unique_ptr<FeatureServer> server_;
};

TEST_F(StoreAway, OneThatEndedIs503AndUnavailableUntilItIsBack) {
  expect_all_is_well();
  redis_.kill();
  expect_it_is_away();
  wait_for_the_pause();
  expect_it_is_away();
  redis_.start();
  wait_for_the_pause();
  expect_all_is_well();
}

TEST_F(StoreAway, OneThatSaysNothingIsTheSame) {
  expect_all_is_well();
  redis_.freeze();
  expect_it_is_away();
  redis_.thaw();
}

TEST_F(StoreAway, OneThatWasEmptiedIsNotTakenForTheTruth) {
  expect_all_is_well();
  redis_.start_empty();
  wait_for_the_pause();
  expect_it_is_away();
  EXPECT_NE(get("/ready").body.find("clicks"), std::string::npos) << "which view is not there";
  EXPECT_NE(features().body.find("assay run"), std::string::npos) << "and what fills it";
  fill();
  expect_all_is_well();
}

TEST_F(StoreAway, OneViewThatIsGoneIsNotReadyAndTheOthersAreAnswered) {
  ASSERT_TRUE(fixture_.store->drop(fixture_.spend->storage_name()).ok());
  EXPECT_EQ(get("/ready").status, 503);
  EXPECT_NE(get("/ready").body.find("spend"), std::string::npos);
  EXPECT_EQ(features().status, 200);
}

}  // namespace
}  // namespace assay::serve
