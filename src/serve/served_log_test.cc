#include "serve/served_log.h"

#include <gtest/gtest.h>

#include "gold/served_schema.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

class ServedLogTest : public testing::Test {
 protected:
  /// The service's answer for users, `amount` being 1.
  void ask(ServedLog& log, const std::vector<std::string>& users) {
    RequestRows rows{{{"user_id", {}}, {"amount", {}}}, static_cast<int64_t>(users.size())};
    for (const std::string& user : users) {
      rows.columns[0].values.push_back(data::Scalar::string(user));
      rows.columns[1].values.push_back(data::Scalar::float64(1));
    }
    const auto& service = fixture_.state->services.at("shop");
    const auto answer =
        get_online_features(*service, *fixture_.store, rows, EventTime{ServingFixture::kNow});
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    log.add(service, rows, *answer);
  }
  int64_t counter(const char* name) { return fixture_.world.metrics.counter(name, "").value(); }

  ServingFixture fixture_;
};

TEST_F(ServedLogTest, KeepsKeysValuesStatusesInstantAndPositionButNoRequestValues) {
  ServedLog log(fixture_.world.metrics, {.share = 1});
  ask(log, {"u1", "u2"});
  const auto batches = log.take();
  ASSERT_TRUE(batches.ok());
  ASSERT_EQ(batches->size(), 1U);
  const data::Batch& rows = batches->front().rows;
  EXPECT_EQ(rows.schema().names(),
            (std::vector<std::string>{"served_date",
                                      "as_of",
                                      "user_id",
                                      "model",
                                      "model_version",
                                      "score",
                                      "clicks__applied",
                                      "clicks__f0",
                                      "clicks__f0__status",
                                      "clicks__f1",
                                      "clicks__f1__status"}));
  ASSERT_EQ(rows.rows(), 2);
  EXPECT_EQ(rows.find("as_of")->scalar(0), data::Scalar::timestamp(ServingFixture::kNow));
  EXPECT_EQ(rows.find("user_id")->text(1), "u2");
  EXPECT_TRUE(rows.find("model")->is_null(0));
  EXPECT_EQ(rows.find("clicks__applied")->scalar(0), data::Scalar::int64(0));
  EXPECT_EQ(rows.find("clicks__f0")->scalar(0), data::Scalar::float64(1.5));
  EXPECT_TRUE(rows.find("clicks__f0")->is_null(1));
  EXPECT_EQ(rows.find("clicks__f0__status")->text(1), "NULL_VALUE");
  EXPECT_EQ(log.waiting(), 0);
}

TEST_F(ServedLogTest, AKeyThatNoViewKnowsIsNotKept) {
  ServedLog log(fixture_.world.metrics, {.share = 1});
  ask(log, {"nobody@example.com", "u1"});
  EXPECT_EQ(log.waiting(), 1);
  EXPECT_EQ(counter("assay_serve_logged_rows_total"), 1);
  EXPECT_EQ(counter("assay_serve_log_dropped_rows_total"), 0);
}

TEST_F(ServedLogTest, AnEntityIsInTheSampleAlwaysOrNever) {
  std::vector<std::string> users;
  std::vector<online::FakeRow> rows;
  for (int i = 0; i < 1000; ++i) {
    users.push_back("user-" + std::to_string(i));
    rows.push_back({users.back(), 1, 1, {1.0, 1.0}});
  }
  ASSERT_TRUE(fixture_.store
                  ->apply(*fixture_.clicks,
                          online::fake_batch(*fixture_.clicks, rows),
                          0,
                          1,
                          EventTime{ServingFixture::kTime})
                  .ok());
  ServedLog log(fixture_.world.metrics, {.share = 0.25});
  ask(log, users);
  const int64_t once = log.waiting();
  EXPECT_GT(once, 200);
  EXPECT_LT(once, 300);
  ask(log, users);
  EXPECT_EQ(log.waiting(), 2 * once);
  const data::Batch kept = log.take()->front().rows;
  for (int64_t i = 0; i < once; ++i) {
    ASSERT_EQ(kept.find("user_id")->text(i), kept.find("user_id")->text(i + once));
  }
}

TEST_F(ServedLogTest, WhatFindsNoRoomIsDroppedAndCounted) {
  ServedLog log(fixture_.world.metrics, {.share = 1, .bytes_max = 1500});
  for (int i = 0; i < 10; ++i) {
    ask(log, {"u1"});
  }
  const int64_t kept = log.waiting();
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, 10);
  EXPECT_EQ(counter("assay_serve_log_dropped_rows_total"), 10 - kept);
  ASSERT_TRUE(log.take().ok());
  ask(log, {"u1"});
  EXPECT_EQ(log.waiting(), 1) << "room again";
}

TEST_F(ServedLogTest, PredictionsNameTheirModel) {
  ServedLog log(fixture_.world.metrics, {.share = 1});
  const ServingModel& model = fixture_.state->models.at("buy");
  const RequestRows rows{
      {{"user_id", {data::Scalar::string("u1")}}, {"amount", {data::Scalar::float64(10)}}}, 1};
  const auto predictions = predict(model, *fixture_.store, rows, EventTime{ServingFixture::kNow});
  ASSERT_TRUE(predictions.ok());
  log.add(model, rows, *predictions);
  const data::Batch kept = log.take()->front().rows;
  EXPECT_EQ(kept.find("model")->text(0), "buy");
  EXPECT_EQ(kept.find("model_version")->text(0), "3");
  EXPECT_EQ(kept.find("score")->values<float>()[0], 23.5F);
}

}  // namespace
}  // namespace assay::serve
