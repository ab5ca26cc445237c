#include <cmath>

#include <gtest/gtest.h>

#include "flow/served.h"
#include "flow/test_project.h"
#include "gold/served_schema.h"

namespace assay::flow {
namespace {

class VerifyServed : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(project_.run().ok());
    workspace_ = project_.open();
  }

  /// What the online store answers now for five users, as a server would log it.
  data::Batch answers() {
    const auto service = *workspace_->service("v1");
    const gold::FeatureView& view = *service->views.front();
    online::OnlineStore* store = *workspace_->online(true);
    const EventTime now = *workspace_->serving_now();
    data::BatchBuilder rows(*gold::served_schema(*service));
    for (int user = 0; user < 5; ++user) {
      const std::string name = "u" + std::to_string(user);
      const data::Scalar key[] = {data::Scalar::string(name)};
      const std::vector<data::EntityKey> keys = {*data::encode_key(key)};
      const gold::FeatureValues values = store->read(view, keys, now)->front();
      int column = 0;
      rows.column(column++).append(static_cast<int32_t>(now.micros / kMicrosPerDay));
      rows.column(column++).append(now.micros);
      rows.column(column++).append_text(name);
      for (int i = 0; i < 3; ++i) {
        rows.column(column++).append_null();  // no model
      }
      rows.column(column++).append((*store->applied_to(view))->position);
      for (std::size_t f = 0; f < values.values.size(); ++f) {
        values.values[f].is_null() ? rows.column(column++).append_null()
                                   : rows.column(column++).append_scalar(values.values[f]);
        rows.column(column++).append_text(data::status_name(values.statuses[f]));
      }
    }
    return rows.finish();
  }
  Status log(const data::Batch& rows) {
    return append_served(*workspace_, **workspace_->service("v1"), rows);
  }

  TestProject project_;
  std::unique_ptr<Workspace> workspace_;
};

TEST_F(VerifyServed, WithoutAnswersItSaysHowToHaveThem) {
  const auto report = verify_served(*workspace_, "v1", {});
  EXPECT_EQ(report.code(), Code::kNotFound);
  EXPECT_NE(report.status().message().find("--log-share"), std::string::npos);
}

TEST_F(VerifyServed, WhatWasServedIsWhatTrainingSees) {
  ASSERT_TRUE(log(answers()).ok());
  ASSERT_TRUE(log(answers()).ok());
  const auto report = verify_served(*workspace_, "v1", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->served_answers, 10);
  EXPECT_EQ(report->values, 50);
  EXPECT_EQ(report->differ, 0);
  EXPECT_EQ(report->behind_values, 0);
  EXPECT_GT(report->present, 20);
  EXPECT_EQ(verify_served(*workspace_, "v1", {.answers_max = 3})->served_answers, 3);
}

TEST_F(VerifyServed, AnotherBitIsADifferenceThatNamesItsEntity) {
  const data::Batch rows = answers();
  data::ColumnBuilder changed(data::Type::kFloat64);
  const int column = *rows.schema().find("spend__total_24h");
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const data::Scalar value = rows.column(column).scalar(row);
    changed.append(value.is_null() ? 1.0 : std::nextafter(std::get<double>(value.value), 1e9));
  }
  std::vector<data::ColumnPtr> columns;
  for (int c = 0; c < rows.column_count(); ++c) {
    columns.push_back(c == column ? changed.finish() : rows.column_ptr(c));
  }
  ASSERT_TRUE(log(data::Batch(rows.schema_ptr(), columns, rows.rows())).ok());
  const auto report = verify_served(*workspace_, "v1", {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->differ, 5);
  ASSERT_EQ(report->differences.size(), 5U);
  EXPECT_EQ(report->differences[0].feature, "total_24h");
  EXPECT_EQ(report->differences[0].key, (std::vector<data::Scalar>{data::Scalar::string("u0")}));
}

TEST_F(VerifyServed, AnAnswerFromBeforeARowCameWasRightThen) {
  ASSERT_TRUE(log(answers()).ok());
  const EventTime now = *workspace_->serving_now();
  workspace_.reset();
  // Known before that instant, but it came after.
  const std::string late = format_time({now.micros - 50 * 60 * kMicrosPerSecond});
  project_.write("data/later.csv", "user_id,amount,ts\nu1,1000," + late + "\n");
  ASSERT_TRUE(project_.run().ok());
  workspace_ = project_.open();
  const auto report = verify_served(*workspace_, "v1", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->differ, 0);
  EXPECT_GT(report->behind_values, 0);
}

}  // namespace
}  // namespace assay::flow
