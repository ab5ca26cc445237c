#include <algorithm>
#include <atomic>
#include <cmath>

#include <gtest/gtest.h>

#include "flow/online_stage.h"
#include "flow/served.h"
#include "flow/served_answers.h"
#include "flow/status.h"
#include "flow/test_project.h"
#include "flow/verify_composed.h"
#include "gold/served_schema.h"
#include "gold/service_values.h"
#include "lake/compaction.h"

namespace assay::flow {
namespace {

class VerifyServed : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(project_.run().ok());
    workspace_ = project_.open();
  }

  data::Batch answers() { return answers_of_five_users(*workspace_); }
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

TEST_F(VerifyServed, ScoresBesideAnAnswerAreNoAnswers) {
  const data::Batch rows = answers();
  const auto with_models = [&](const std::vector<std::string>& models) {
    data::ColumnBuilder changed(data::Type::kString);
    for (const std::string& model : models) {
      changed.append_text(model);
    }
    const int column = *rows.schema().find(gold::kServedModel);
    std::vector<data::ColumnPtr> columns;
    for (int c = 0; c < rows.column_count(); ++c) {
      columns.push_back(c == column ? changed.finish() : rows.column_ptr(c));
    }
    return data::Batch(rows.schema_ptr(), columns, rows.rows());
  };
  ASSERT_TRUE(log(rows).ok());  // without a model
  ASSERT_TRUE(log(with_models({"buy", "buy_deep", "shadow:buy_wide", "shadow:x", "buy"})).ok());
  const auto report = verify_served(*workspace_, "v1", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->served_answers, 8);
  EXPECT_EQ(report->values, 40);
  EXPECT_EQ(report->differ, 0);
  EXPECT_EQ(verify_served(*workspace_, "v1", {.answers_max = 8})->served_answers, 8);
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

TEST_F(VerifyServed, AnAnswerOfAViewThatWasFillingUpWasRightThen) {
  workspace_.reset();
  project_.write("data/more.csv", "user_id,amount,ts\nu1,1,2026-01-06T23:58:00Z\n");
  ASSERT_TRUE(project_.run().ok());
  workspace_ = project_.open();
  lake::DeltaTable* silver = *workspace_->table(*workspace_->silver_table_key("clean"));
  ASSERT_GT(
      lake::compact({workspace_->world(), workspace_->store(), workspace_->sql()}, *silver, {})
          ->files_removed,
      0);
  ASSERT_TRUE(
      (*workspace_->online(false))->drop((*workspace_->view("spend"))->storage_name()).ok());
  const std::atomic<bool> stop{true};
  RunOptions options;
  options.online_piece_bytes = 2'000;
  options.stop = &stop;
  EXPECT_EQ(run_online_stage(*workspace_, "spend", options).code(), Code::kCancelled);
  ASSERT_TRUE(log(answers()).ok());
  const auto stages = project_status(*workspace_);
  ASSERT_TRUE(stages.ok());
  const auto online = std::find_if(stages->begin(), stages->end(), [](const StageStatus& stage) {
    return stage.account.stage == "online";
  });
  EXPECT_NE(online->position.find("pieces left"), std::string::npos);
  EXPECT_GT(online->lag, 0);
  ASSERT_TRUE(run_online_stage(*workspace_, "spend", {}).ok());
  const auto report = verify_served(*workspace_, "v1", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->differ, 0);
  EXPECT_EQ(report->values, 25);
}

const char kLookedUp[] = R"yaml(
bronze:
  homes:
    source: others
    event_time: {column: ts}
    known_time: {delay: 5m}
    columns: {user_id: string!, country: string, ts: timestamp!}
entities:
  country: {key: country}
feature_views:
  home: {entity: user, from: homes, features: {country: latest}}
  land: {entity: country, from: homes, slide: 10m, features: {moved: {agg: count, over: [24h]}}}
services:
  mapped: [{view: spend, prefix: own_}, home, {view: land, by: {country: country}}]
)yaml";

class VerifyServedLookups : public testing::Test {
 protected:
  void SetUp() override {
    project_.write("mapped.yaml", kLookedUp);
    project_.write("others/homes.csv",
                   "user_id,country,ts\nu0,de,2026-01-06T12:00:00Z\nu1,at,2026-01-06T12:00:00Z\n"
                   "u2,de,2026-01-06T13:00:00Z\nu3,,2026-01-06T13:00:00Z\n");
    ASSERT_TRUE(project_.run().ok());
    workspace_ = project_.open();
  }

  /// What the service says of five users now, as a server would log it; u4 has no home, u3 no
  /// country.
  void log_answers() {
    const auto service = *workspace_->service("mapped");
    online::OnlineStore* store = *workspace_->online(true);
    const EventTime now = *workspace_->serving_now();
    std::vector<data::Scalar> users;
    for (int user = 0; user < 5; ++user) {
      users.push_back(data::Scalar::string("u" + std::to_string(user)));
    }
    const gold::ServiceReading reading =
        gold::read_service(
            *service,
            5,
            now,
            [&](const data::Field&) { return Result<const std::vector<data::Scalar>*>(&users); },
            [&](const gold::FeatureView& view, std::span<const data::EntityKey> keys) {
              return store->read(view, keys, now);
            })
            .value();
    data::BatchBuilder rows(*gold::served_schema(*service));
    for (int64_t row = 0; row < 5; ++row) {
      int column = 0;
      rows.column(column++).append(static_cast<int32_t>(now.micros / kMicrosPerDay));
      rows.column(column++).append(now.micros);
      rows.column(column++).append_scalar(users[static_cast<std::size_t>(row)]);
      for (int i = 0; i < 3; ++i) {
        rows.column(column++).append_null();  // no model
      }
      for (const gold::FeatureViewPtr& view : service->views) {
        rows.column(column++).append((*store->applied_to(*view))->position);
      }
      for (std::size_t f = 0; f < service->features.size(); ++f) {
        const OfflineValue value = read_value(*service, reading, row, f);
        value.value.is_null() ? rows.column(column++).append_null()
                              : rows.column(column++).append_scalar(value.value);
        rows.column(column++).append_text(data::status_name(value.status));
      }
    }
    ASSERT_TRUE(append_served(*workspace_, *service, rows.finish()).ok());
  }
  VerifyReport report() {
    const auto report = verify_served(*workspace_, "mapped", {});
    EXPECT_TRUE(report.ok()) << report.status().to_string();
    return *report;
  }
  void add_homes(const std::string& name, const std::string& line) {
    workspace_.reset();
    project_.write("others/" + name + ".csv", "user_id,country,ts\n" + line + "\n");
    ASSERT_TRUE(project_.run().ok());
    workspace_ = project_.open();
  }

  TestProject project_;
  std::unique_ptr<Workspace> workspace_;
};

TEST_F(VerifyServedLookups, OfViewsWithComputedKeysAreComparedToo) {
  log_answers();
  const VerifyReport found = report();
  EXPECT_EQ(found.served_answers, 5);
  EXPECT_EQ(found.values, 5 * (5 + 1 + 1));
  EXPECT_EQ(found.differ, 0) << found.differences.front().feature;
  EXPECT_EQ(found.behind_values, 0);
}

TEST_F(VerifyServedLookups, AnAnswerFromBeforeTheOtherEntitysRowsCameWasRightThen) {
  log_answers();
  add_homes("more", "u9,de,2026-01-06T12:30:00Z");   // known before the answer, and came after
  add_homes("again", "u0,at,2026-01-06T14:00:00Z");  // the key itself is another now
  const VerifyReport found = report();
  EXPECT_EQ(found.differ, 0) << found.differences.front().feature << " "
                             << found.differences.front().entity;
  EXPECT_GE(found.behind_values, 3);
}

TEST_F(VerifyServedLookups, AnotherValueIsADifferenceOfTheEntityThatAsked) {
  log_answers();
  const auto service = *workspace_->service("mapped");
  const std::string key = *served_table_key(*workspace_, *service);
  data::Batch rows = *workspace_->read_table(key, "*", "", "");
  const int column = *rows.schema().find("land__moved_24h");
  data::ColumnBuilder changed(data::Type::kInt64);
  for (int64_t row = 0; row < rows.rows(); ++row) {
    changed.append(1000);
  }
  std::vector<data::ColumnPtr> columns;
  for (int c = 0; c < rows.column_count(); ++c) {
    columns.push_back(c == column ? changed.finish() : rows.column_ptr(c));
  }
  ASSERT_TRUE(
      append_served(*workspace_, *service, data::Batch(rows.schema_ptr(), columns, rows.rows()))
          .ok());
  const VerifyReport found = report();
  EXPECT_EQ(found.differ, 5);
  ASSERT_EQ(found.differences.size(), 5U);
  EXPECT_EQ(found.differences[0].view, "land");
  EXPECT_EQ(found.differences[0].entity.rfind("user_id=u", 0), 0U);
}

}  // namespace
}  // namespace assay::flow
