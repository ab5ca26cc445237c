// A source of corrections and deletions through the whole line: however it is cut and stopped, the
// tables and what is served are those of one straight run, and training sees what serving saw.

#include <atomic>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flow/backfill.h"
#include "flow/bronze_stage.h"
#include "flow/explain.h"
#include "flow/gold_stage.h"
#include "flow/online_stage.h"
#include "flow/orders_project.h"
#include "flow/silver_stage.h"
#include "flow/test_project.h"
#include "gold/contract.h"

namespace assay::flow {
namespace {

TEST(Changes, PieceByPieceGivesTheTablesOfOneStraightRun) {
  OrdersProject straight;
  straight.write_files(0, 6);
  const Result<RunReport> whole = straight.run();
  ASSERT_TRUE(whole.ok()) << whole.status().to_string();
  for (const StageAccount& stage : whole->stages) {
    EXPECT_TRUE(stage.rows.balances()) << stage.stage;
    EXPECT_TRUE(stage.stage != "bronze" || stage.rows.duplicates > 0);
  }
  expect_verified(straight);

  OrdersProject pieces;
  for (std::size_t file = 0; file < 6; ++file) {
    pieces.write_files(file, file + 1);
    RunOptions options;
    options.epoch_rows = 37;
    options.gold_chunk_rows = 100;
    options.gold_part_rows = 40;
    options.threads = 1 + static_cast<int>(file % 3);
    const Result<RunReport> report = pieces.run(options);
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    if (file % 3 == 2) {
      expect_verified(pieces);
    }
  }
  EXPECT_EQ(pieces.steps_hash(), straight.steps_hash());
  EXPECT_EQ(pieces.online_hash(), straight.online_hash());
}

using Stage = Result<StageAccount> (*)(Workspace&, const std::string&, const RunOptions&);

TEST(Changes, StoppedAfterEveryCommitTheyEndTheSame) {
  OrdersProject straight;
  straight.write_files(0, 3);
  ASSERT_TRUE(straight.run().ok());
  OrdersProject stopped;
  stopped.write_files(0, 3);
  const std::atomic<bool> stop{true};
  RunOptions options;
  options.epoch_rows = 50;
  options.gold_chunk_rows = 60;
  options.online_batch_rows = 40;
  options.stop = &stop;
  const std::vector<std::pair<Stage, std::string>> stages = {{run_bronze_stage, "orders"},
                                                             {run_silver_stage, "clean"},
                                                             {run_gold_stage, "spend"},
                                                             {run_online_stage, "spend"}};
  int stops = 0;
  for (const auto& [stage, name] : stages) {
    Status status(Code::kCancelled, "");
    while (status.code() == Code::kCancelled) {
      status = stage(*stopped.open(), name, options).status();
      stops += status.ok() ? 0 : 1;
      ASSERT_LT(stops, 100);
    }
    ASSERT_TRUE(status.ok()) << status.to_string();
  }
  EXPECT_GT(stops, 10);
  EXPECT_EQ(stopped.steps_hash(), straight.steps_hash());
  EXPECT_EQ(stopped.online_hash(), straight.online_hash());
}

/// What one SQL number of a query is.
int64_t number(Workspace& workspace, const std::string& sql) {
  const Result<data::Batch> found = workspace.sql().query(sql);
  EXPECT_TRUE(found.ok()) << found.status().to_string();
  return found->rows() == 0 || found->column(0).is_null(0) ? 0
                                                           : found->column(0).values<int64_t>()[0];
}

TEST(Changes, StepsCountWhatTheVersionsInBronzeSayAtEveryInstant) {
  OrdersProject project;
  project.write_files(0, 6);
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto relation = [&](const std::string& key) {
    lake::DeltaTable* table = *workspace->table(key);
    return *table->relation(**table->snapshot());
  };
  const std::string bronze = relation(*workspace->bronze_table_key("orders"));
  const std::string steps = relation(*workspace->steps_table_key(**workspace->view("spend")));
  const auto random = seeded_random(5);
  int64_t counted = 0;
  for (int i = 0; i < 60; ++i) {
    const int64_t at =
        floor_to(parse_time("2026-01-01")->micros +
                     static_cast<int64_t>(random->below(80 * 3600)) * kMicrosPerSecond,
                 600 * kMicrosPerSecond);
    const std::string t = "TIMESTAMPTZ '" + format_time({at}) + "'";
    const std::string user = "user_id = 'u" + std::to_string(random->below(6)) + "'";
    const int64_t expected = number(
        *workspace,
        "SELECT count(*) FROM (SELECT * FROM " + bronze + " WHERE known_time <= " + t +
            " QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY known_time DESC, sequence "
            "DESC) = 1) WHERE NOT is_deleted AND kind <> 'test' AND " +
            user + " AND event_time < " + t + " AND event_time >= " + t + " - INTERVAL 24 HOUR");
    const int64_t found =
        number(*workspace,
               "SELECT n_24h FROM " + steps + " WHERE " + user + " AND known_time <= " + t +
                   " ORDER BY known_time DESC LIMIT 1");
    EXPECT_EQ(found, expected) << user << " at " << t;
    counted += expected;
  }
  EXPECT_GT(counted, 100);
}

/// Take rows of one user out of the silver table, as an erasure does.
void take_back(TestProject& project, const std::string& where) {
  const auto workspace = project.open();
  lake::DeltaTable* table = *workspace->table(*workspace->silver_table_key("clean"));
  const auto snapshot = *table->snapshot();
  lake::CommitRequest request;
  std::vector<lake::DataFile> files;
  for (const auto& [path, file] : snapshot->files) {
    files.push_back(file);
    request.removes.push_back(path);
  }
  const data::Batch rows = *workspace->sql().query(
      "SELECT * FROM " + *table->relation_of(*snapshot, files) + " WHERE NOT (" + where + ")");
  request.adds = *table->write_files(rows);
  ASSERT_TRUE(table->commit(request).ok());
}

/// What the project's own store says, compared with the steps.
int64_t live_differences(TestProject& project) {
  const VerifyReport report = project.verify();
  EXPECT_GT(report.live_values, 0);
  return report.differ;
}

TEST(Changes, RowsThatTheSourceTakesBackLeaveOnlineAtOnceAndStepsByABackfill) {
  TestProject plain;
  OrdersProject changes;
  changes.write_files(0, 3);
  for (TestProject* project : {&plain, static_cast<TestProject*>(&changes)}) {
    ASSERT_TRUE(project->run().ok());
    take_back(*project, "amount < 500");
    ASSERT_TRUE(project->run().ok());
    ASSERT_TRUE(backfill_view(*project->open(), "spend", {}).ok());
    EXPECT_EQ(live_differences(*project), 0);
  }
}

TEST(Changes, ExplainShowsTheVersionsBehindANumber) {
  OrdersProject project;
  project.write_files(0, 6);
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  std::set<std::string> roles;
  for (int user = 0; user < 6; ++user) {
    for (int hour = 10; hour < 80; hour += 23) {
      const EventTime at{parse_time("2026-01-01")->micros + hour * 3600 * kMicrosPerSecond};
      for (const char* feature : {"total_24h", "largest_24h", "newest", "moves_24h"}) {
        const Result<Explanation> explained = explain_feature(
            *workspace, *view, feature, {data::Scalar::string("u" + std::to_string(user))}, at);
        ASSERT_TRUE(explained.ok()) << explained.status().to_string();
        EXPECT_TRUE(explained->agrees) << feature << " of u" << user;
        ASSERT_NE(explained->rows.find(gold::kReplacedTime), nullptr);
        for (int64_t row = 0; row < explained->rows.rows(); ++row) {
          roles.emplace(explained->rows.find("role")->text(row));
        }
      }
    }
  }
  EXPECT_EQ(roles.count("replaced"), 1U);
  EXPECT_EQ(roles.count("counts"), 1U);
}

}  // namespace
}  // namespace assay::flow
