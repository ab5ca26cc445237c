// `keep` drops old days; what is left answers as if nothing had gone.

#include "flow/retention.h"

#include <gtest/gtest.h>

#include "flow/backfill.h"
#include "flow/gold_stage.h"
#include "flow/status.h"
#include "flow/test_project.h"
#include "flow/training.h"
#include "lake/vacuum.h"

namespace assay::flow {
namespace {

/// Six days of events, 2026-01-01 to 06; silver keeps two days, the view answers for one, ttl 1d.
void keep_some(TestProject& project) {
  project.change("    allowed_lateness: 1h", "    allowed_lateness: 1h\n    keep: 2d");
  project.change("    event_time: {column: ts}", "    event_time: {column: ts}\n    keep: 3d");
  project.change("    ttl: 2d", "    ttl: 1d\n    keep: 1d");
}

/// The same project without `keep`.
void keep_all(TestProject& project) {
  project.change("    ttl: 2d", "    ttl: 1d");
}

std::string days(TestProject& project, const std::string& table, const std::string& column) {
  const auto workspace = project.open();
  const Result<data::Batch> rows = workspace->read_table(
      table,
      "CAST(min(" + column + ") AS VARCHAR) AS a, CAST(max(" + column + ") AS VARCHAR) AS b",
      "",
      "");
  EXPECT_TRUE(rows.ok()) << rows.status().to_string();
  return std::string(rows->column(0).text(0)) + " " + std::string(rows->column(1).text(0));
}

/// Steps that decide answers from `from` on.
uint64_t steps_hash_from(TestProject& project, const std::string& from) {
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  return data::content_hash(
      *workspace->read_table(*workspace->steps_table_key(*view),
                             column_list(view->steps_schema()->names()),
                             "known_time >= TIMESTAMPTZ '" + from + " 00:00:00+00'",
                             ""));
}

int64_t operations(TestProject& project, const std::string& table) {
  const auto workspace = project.open();
  int64_t count = 0;
  const std::vector<lake::HistoryEntry> history = (*workspace->table(table))->history().value();
  for (const lake::HistoryEntry& entry : history) {
    count += entry.parameters.count("retention") != 0 ? 1 : 0;
  }
  return count;
}

TEST(Retention, OldDaysGoAndWhatIsLeftAnswersAsBefore) {
  TestProject all;
  keep_all(all);
  ASSERT_TRUE(all.run().ok());
  TestProject some;
  keep_some(some);
  const Result<RunReport> report = some.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  ASSERT_EQ(report->dropped.size(), 3U);
  EXPECT_EQ(report->dropped[0].table, "gold/spend");
  EXPECT_EQ(report->dropped[1].table, "silver/clean");
  EXPECT_EQ(report->dropped[2].table, "bronze/events");
  // The newest event is of 2026-01-06, a little before midnight.
  EXPECT_EQ(days(some, "bronze/events", "dt"), "2026-01-03 2026-01-06");
  EXPECT_EQ(days(some, "silver/clean", "event_date"), "2026-01-04 2026-01-06");
  EXPECT_EQ(days(some, "gold/spend", "feature_date").substr(0, 10), "2026-01-04");
  EXPECT_EQ(steps_hash_from(some, "2026-01-04"), steps_hash_from(all, "2026-01-04"));
  EXPECT_EQ(some.online_hash(), all.online_hash());
  for (const char* const table : {"bronze/events", "silver/clean", "gold/spend"}) {
    EXPECT_EQ(operations(some, table), 1) << table;  // whole: one commit
  }
  expect_verified(some);
}

TEST(Retention, RunsAfterItTakeNothingBackAndGoOn) {
  TestProject all;
  keep_all(all);
  TestProject some;
  keep_some(some);
  for (TestProject* project : {&all, &some}) {
    for (int day = 5; day <= 6; ++day) {
      project->write("data/day-" + std::to_string(day) + ".csv", "user_id,amount,ts\n");
    }
    ASSERT_TRUE(project->run().ok());
    for (int day = 5; day <= 6; ++day) {
      project->write("data/later-" + std::to_string(day) + ".csv", TestProject::events_of_day(day));
      const Result<RunReport> report = project->run();
      ASSERT_TRUE(report.ok()) << report.status().to_string();
    }
  }
  EXPECT_EQ(steps_hash_from(some, "2026-01-04"), steps_hash_from(all, "2026-01-04"));
  EXPECT_EQ(some.online_hash(), all.online_hash());
  expect_verified(some);
  const auto workspace = some.open();
  const std::vector<StageStatus> stages = project_status(*workspace).value();
  for (const StageStatus& stage : stages) {
    EXPECT_EQ(stage.lag, 0) << stage.account.stage;
    EXPECT_EQ(stage.kept_from.has_value(), stage.account.stage != "online");
  }
  // Nothing was taken back: a backfill has nothing to compute.
  const Result<BackfillReport> backfill = backfill_view(*workspace, "spend", {});
  ASSERT_TRUE(backfill.ok()) << backfill.status().to_string();
  EXPECT_EQ(backfill->days_computed, 0);
}

TEST(Retention, NothingOldIsNothingToDo) {
  TestProject project;
  keep_some(project);
  ASSERT_TRUE(project.run().ok());
  const Result<RunReport> again = project.run();
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->dropped.empty());
  EXPECT_TRUE(drop_old_days(*project.open(), true)->empty());
}

TEST(Retention, ARowFromTheFutureMovesTheClockNoFurtherThanTheMachines) {
  TestProject project;
  keep_some(project);
  project.write("data/future.csv", "user_id,amount,ts\nu1,1.0,2926-01-01T00:00:00Z\n");
  const Result<RunReport> report = project.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  ASSERT_FALSE(report->dropped.empty());
  for (const DroppedDays& dropped : report->dropped) {
    EXPECT_LT(dropped.kept_from, *parse_time("2900-01-01")) << dropped.table;
  }
}

TEST(Retention, ABackfillTouchesNoDayWhoseRowsAreGone) {
  TestProject project;
  keep_some(project);
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.steps_hash();
  BackfillOptions options;
  options.full = true;
  const Result<BackfillReport> report = backfill_view(*project.open(), "spend", options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  // Rows from 01-04 on, a window of a day and a slide: whole from 01-06 on.
  EXPECT_EQ(format_time(report->begin).substr(0, 10), "2026-01-06");
  EXPECT_EQ(report->days_replaced, 0);
  EXPECT_EQ(project.steps_hash(), before);
  options.from = *parse_time("2026-01-04");
  EXPECT_EQ(backfill_view(*project.open(), "spend", options).code(), Code::kOutOfRange);
}

TEST(Retention, LabelsOlderThanWhatIsKeptAreRefused) {
  TestProject project;
  keep_some(project);
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  EXPECT_EQ(require_answers_from(*workspace, *view, *parse_time("2026-01-04T23:59:59Z")).code(),
            Code::kOutOfRange);
  EXPECT_TRUE(require_answers_from(*workspace, *view, *parse_time("2026-01-05")).ok());
}

TEST(Retention, TablesMadeAnewFromWhatIsLeftSayFromWhenTheyAnswer) {
  TestProject project;
  keep_some(project);
  ASSERT_TRUE(project.run().ok());
  {  // The files of dropped days are gone for good.
    const auto workspace = project.open();
    const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
    for (const char* const table : {"bronze/events", "silver/clean"}) {
      const auto report = lake::vacuum(access, **workspace->table(table), {.keep = Duration{0}});
      ASSERT_TRUE(report.ok()) << report.status().to_string();
      EXPECT_GT(report->files.size(), 0U);
    }
  }
  project.change("SELECT user_id, amount,", "SELECT user_id, amount * 2 AS amount,");
  const Result<RunReport> report = project.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(days(project, "silver/clean_v2", "event_date"), "2026-01-04 2026-01-06");
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  EXPECT_EQ(require_answers_from(*workspace, *view, *parse_time("2026-01-04T23:00:00Z")).code(),
            Code::kOutOfRange);
  expect_verified(project);
}

TEST(Retention, AChangeOfKeepMakesNoNewTable) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.online_hash();
  project.change("    allowed_lateness: 1h", "    allowed_lateness: 1h\n    keep: 3d");
  const Result<RunReport> report = project.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  ASSERT_EQ(report->dropped.size(), 1U);
  EXPECT_EQ(*project.open()->silver_table_key("clean"), "silver/clean");
  EXPECT_EQ(project.online_hash(), before);
  expect_verified(project);
}

}  // namespace
}  // namespace assay::flow
