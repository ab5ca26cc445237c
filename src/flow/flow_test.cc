// The line on small projects of its own: chunks, groups, stops, changed definitions. Steps, online
// rows and verify must come out as if nothing had happened.

#include <filesystem>

#include <gtest/gtest.h>

#include "base/wait_until.h"
#include "flow/gold_stage.h"
#include "flow/online_stage.h"
#include "flow/status.h"
#include "flow/step.h"
#include "flow/test_project.h"
#include "lake/compaction.h"
#include "lake/vacuum.h"

namespace assay::flow {
namespace {

TEST(Flow, ChunksAndGroupsOfAnySizeGiveTheSameStepsAndOnlineRows) {
  TestProject whole;
  ASSERT_TRUE(whole.run().ok());
  expect_verified(whole);
  for (const int64_t rows : {100, 700}) {
    TestProject cut;
    RunOptions options;
    options.epoch_rows = 150;
    options.gold_chunk_rows = rows;
    options.gold_part_rows = rows / 2;
    options.online_batch_rows = rows;
    const Result<RunReport> report = cut.run(options);
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    bool chunked = false;
    for (const StageAccount& stage : report->stages) {
      chunked = chunked || (stage.stage == "gold" && stage.commits > 1);
    }
    EXPECT_TRUE(chunked);
    EXPECT_EQ(cut.steps_hash(), whole.steps_hash());
    EXPECT_EQ(cut.online_hash(), whole.online_hash());
  }
}

TEST(Flow, StagesSideBySideGiveWhatTheyGiveOneAfterTheOther) {
  TestProject whole;
  const Result<RunReport> in_turn = whole.run();
  ASSERT_TRUE(in_turn.ok());
  const auto accounts = [](const RunReport& report) {
    std::string text;  // in the order of the stages, without seconds and commits
    for (const StageAccount& stage : report.stages) {
      text += stage.stage + " " + stage.name + " " + std::to_string(stage.rows.in) + " " +
              std::to_string(stage.rows.out) + " " + std::to_string(stage.rows.late) + " " +
              std::to_string(stage.steps) + "\n";
    }
    return text;
  };
  for (const int64_t epoch_rows : {90, 100'000}) {  // silver behind bronze, or all at its end
    TestProject project;
    RunOptions options;
    options.epoch_rows = epoch_rows;
    options.side_by_side_rows = 0;
    const Result<RunReport> report = project.run(options);
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    EXPECT_EQ(accounts(*report), accounts(*in_turn));
    EXPECT_EQ(project.steps_hash(), whole.steps_hash());
    EXPECT_EQ(project.online_hash(), whole.online_hash());
    EXPECT_EQ(project.count("silver/clean"), whole.count("silver/clean"));
    expect_verified(project);
  }
}

TEST(Flow, SideBySideAStopAndAFailureEndBothAndTheNextRunGoesOn) {
  TestProject whole;
  ASSERT_TRUE(whole.run().ok());
  for (const std::string at : {"bronze events:", "silver clean", "gold spend", "nothing"}) {
    TestProject project;
    std::atomic<bool> stop{false};
    RunOptions options;
    options.epoch_rows = 90;
    options.side_by_side_rows = 0;
    options.stop = &stop;
    options.progress = [&](const std::string& line) { stop = stop || line.starts_with(at); };
    EXPECT_EQ(project.run(options).code(), at == "nothing" ? Code::kOk : Code::kCancelled) << at;
    stop = false;
    options.progress = nullptr;
    ASSERT_TRUE(project.run(options).ok()) << at;
    EXPECT_EQ(project.steps_hash(), whole.steps_hash()) << at;
    EXPECT_EQ(project.online_hash(), whole.online_hash()) << at;
  }
  TestProject project;
  project.change("sql: SELECT", "checks: [{expr: amount > 1e9, on_fail: fail}]\n    sql: SELECT");
  RunOptions options;
  options.epoch_rows = 90;
  options.side_by_side_rows = 0;
  const Result<RunReport> failed = project.run(options);
  EXPECT_EQ(failed.code(), Code::kFailedPrecondition);
  EXPECT_NE(failed.status().to_string().find("silver clean"), std::string::npos)
      << failed.status().to_string();
}

TEST(Flow, SideBySideWhatTheOnlineStoreTookIsToldAlsoWhereStepsFail) {
  TestProject project;
  const auto workspace = project.open();
  project.write("lake/gold", "no folder");
  online::OnlineStore& store = **workspace->online(false);
  const gold::FeatureViewPtr view = *workspace->view("spend");
  RunOptions options;
  options.side_by_side_rows = 0;
  options.progress = [&](const std::string& line) {
    if (line.starts_with("gold")) {
      wait_until(
          "rows in the online store",
          [&] { return (*store.applied_to(*view)).has_value(); },
          [](bool has_rows) { return has_rows; });
    }
  };
  EXPECT_FALSE(run_all(*workspace, options).ok());
  const std::string accounts = workspace->catalog().runs(1, "run")->front().account_json;
  EXPECT_NE(accounts.find("\"online\""), std::string::npos) << accounts;
  std::filesystem::remove(join_path(project.folder(), "lake/gold"));
  ASSERT_TRUE(run_all(*workspace, options).ok());
  expect_verified(project);
}

TEST(Flow, WhoMayFollowBronzeCommitByCommit) {
  TestProject project;
  EXPECT_EQ(followers_of(project.open()->project(), "events").size(), 1U);
  EXPECT_TRUE(followers_of(project.open()->project(), "others").empty());
  project.change("sql: SELECT", "checks: [{row_count: {min: 1}}]\n    sql: SELECT");
  EXPECT_TRUE(followers_of(project.open()->project(), "events").empty());
}

TEST(Flow, FilesThatComeLaterGiveWhatOneRunGives) {
  TestProject whole;
  ASSERT_TRUE(whole.run().ok());
  TestProject later;
  for (int day = 4; day <= 6; ++day) {
    later.write("data/day-" + std::to_string(day) + ".csv", "user_id,amount,ts\n");
  }
  ASSERT_TRUE(later.run().ok());
  for (int day = 4; day <= 6; ++day) {
    later.write("data/later-" + std::to_string(day) + ".csv", TestProject::events_of_day(day));
    ASSERT_TRUE(later.run().ok());
    expect_verified(later);
  }
  EXPECT_EQ(later.steps_hash(), whole.steps_hash());
  EXPECT_EQ(later.online_hash(), whole.online_hash());
}

TEST(Flow, ANewTableOverOneWhoseCommitsAreGoneIsMadeFromItsRows) {
  const auto change = [](TestProject& project) {
    project.change("SELECT user_id, amount,", "SELECT user_id, amount + 1 AS amount,");
  };
  TestProject whole;
  whole.change("allowed_lateness: 1h", "allowed_lateness: 10m");
  change(whole);
  ASSERT_TRUE(whole.run().ok());

  TestProject later;
  later.change("allowed_lateness: 1h", "allowed_lateness: 10m");
  RunOptions options;
  options.epoch_rows = 150;
  ASSERT_TRUE(later.run(options).ok());
  {
    const auto workspace = later.open();
    lake::DeltaTable* const bronze = *workspace->table("bronze/events");
    const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
    ASSERT_TRUE(lake::compact(access, *bronze).ok());
    ASSERT_TRUE(bronze->checkpoint().ok());
    ASSERT_GT(lake::clean_log(access, *bronze, {.keep = Duration{0}})->files.size(), 0U);
    ASSERT_GT(lake::vacuum(access, *bronze, {.keep = Duration{0}})->files.size(), 0U);
  }
  change(later);
  ASSERT_TRUE(later.run().ok());
  EXPECT_EQ(later.steps_hash(), whole.steps_hash());
  EXPECT_EQ(later.online_hash(), whole.online_hash());
  EXPECT_EQ(later.count("silver/clean_v2_late"), whole.count("silver/clean_late"));
  EXPECT_TRUE(project_status(*later.open()).ok());
}

TEST(Flow, UpkeepLeavesWhatAStageHasNotRead) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto bronze_version = (*(*workspace->table("bronze/events"))->snapshot())->version;
  EXPECT_EQ(**oldest_position(*workspace, "bronze/events"), bronze_version);
  const auto silver_version = (*(*workspace->table("silver/clean"))->snapshot())->version;
  EXPECT_EQ(**oldest_position(*workspace, "silver/clean"), silver_version);
  EXPECT_FALSE(oldest_position(*workspace, "gold/spend")->has_value());
}

TEST(Flow, ATableThatWasStoppedHalfWayIsNotTakenForWhole) {
  TestProject project;
  std::atomic<bool> stop{false};
  RunOptions options;
  options.gold_chunk_rows = 400;
  options.stop = &stop;
  options.progress = [&](const std::string& line) {
    stop = stop || line.rfind("gold spend: steps up to", 0) == 0;
  };
  EXPECT_EQ(project.run(options).code(), Code::kCancelled);
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  EXPECT_EQ(read_steps(*workspace, *view, *parse_time("2026-01-06T12:00:00Z")).code(),
            Code::kFailedPrecondition);
  EXPECT_TRUE(read_steps(*workspace, *view, *parse_time("2026-01-01T12:00:00Z")).ok());

  TestProject whole;
  ASSERT_TRUE(whole.run().ok());
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.steps_hash(), whole.steps_hash());
  expect_verified(project);
}

TEST(Flow, ALongerLatenessMakesTheTablesAnewAndVerifies) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  project.change("allowed_lateness: 1h", "allowed_lateness: 30d");
  project.write("data/old.csv",
                "user_id,amount,ts\nu1,5.5,2026-01-02T00:00:00Z\nu9,1.5,2026-01-03T12:00:00Z\n");
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("silver/clean_v2"), project.count("bronze/events"));
  expect_verified(project);
}

TEST(Flow, ChangedSqlNeverMixesWithRowsOfTheOld) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.steps_hash();
  project.change("SELECT user_id, amount,", "SELECT user_id, amount * 10 AS amount, 1 AS extra,");
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("silver/clean_v2"), project.count("silver/clean"));
  EXPECT_NE(project.steps_hash(), before);
  expect_verified(project);
  project.change("amount * 10 AS amount, 1 AS extra,",
                 "amount,");  // and back: the first tables are found again
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.steps_hash(), before);
  expect_verified(project);
}

TEST(Flow, AnotherSourceIsReadFromItsBeginning) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  project.write(
      "others/a.csv",
      "user_id,amount,ts,more\nu1,1.0,2026-01-01T00:00:00Z,x\nu2,2.0,2026-01-01T01:00:00Z,y\n");
  project.change("source: events", "source: others");
  project.change("amount: float64,", "amount: float64, more: string,");
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events_v2"), 2);
  EXPECT_EQ(project.count("silver/clean_v2"), 2);
}

TEST(Flow, StatusHasNoLagAfterARunAndVerifyOfNothingFails) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  project.write("data/bad.csv",
                "user_id,amount,ts\n,1,2026-01-02T00:00:00Z\n");  // only a rejected row
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const Result<std::vector<StageStatus>> stages = project_status(*workspace);
  ASSERT_TRUE(stages.ok());
  for (const StageStatus& stage : *stages) {
    EXPECT_EQ(stage.lag, 0) << stage.account.stage << " " << stage.account.name;
    EXPECT_TRUE(stage.account.rows.balances());
  }
  TestProject empty;
  for (int day = 1; day <= 6; ++day) {
    empty.write("data/day-" + std::to_string(day) + ".csv", "user_id,amount,ts\n");
  }
  ASSERT_TRUE(empty.run().ok());
  EXPECT_EQ(verify_service(*empty.open(), "v1", {}).code(), Code::kNotFound);
}

TEST(Flow, OnlyOneRunAtATime) {
  TestProject project;
  const auto workspace = project.open();
  const auto held = workspace->lock_for_writing();
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(project.run().code(), Code::kFailedPrecondition);
}

TEST(OnlinePosition, NamesTheTableAndItsVersion) {
  EXPECT_EQ(table_number("silver/clean"), 1);
  EXPECT_EQ(table_number("silver/clean_v12"), 12);
  EXPECT_EQ(table_number("silver/a_vx"), 1);
  for (const OnlinePosition position : {OnlinePosition{3, 77, 0}, {1, 0, 5}, {2, 1 << 27, 1}}) {
    const OnlinePosition decoded = OnlinePosition::decode(position.encode());
    EXPECT_EQ(decoded.table_number, position.table_number);
    EXPECT_EQ(decoded.version, position.version);
    EXPECT_EQ(decoded.reads, position.reads);
  }
}

TEST(OnlinePosition, GrowsWithVersionAndReads) {
  EXPECT_LT((OnlinePosition{1, 5, 0}).encode(), (OnlinePosition{1, 5, 1}).encode());
  EXPECT_LT((OnlinePosition{1, 5, OnlinePosition::kReadsMax}).encode(),
            (OnlinePosition{1, 6, 0}).encode());
  EXPECT_LT((OnlinePosition{1, 6, 3}).encode(), (OnlinePosition{2, 0, 0}).encode());
}

}  // namespace
}  // namespace assay::flow
