// The line on small projects of its own: chunks, groups, stops, changed definitions. Steps, online
// rows and verify must come out as if nothing had happened.

#include <cstdlib>

#include <gtest/gtest.h>

#include "flow/gold_stage.h"
#include "flow/online_stage.h"
#include "flow/run.h"
#include "flow/status.h"
#include "flow/verify.h"
#include "lake/table_hash.h"

namespace assay::flow {
namespace {

constexpr char kAssay[] =
    "project: test\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: "
    "{clock: data}\n";
constexpr char kProject[] = R"(
sources:
  events: {files: {path: data, format: csv}}
  others: {files: {path: others, format: csv}}
bronze:
  events:
    source: events
    event_time: {column: ts}
    known_time: {delay: 20m}
    columns: {user_id: string!, amount: float64, ts: timestamp!}
silver:
  clean:
    from: events
    sql: SELECT user_id, amount, ts AS event_time FROM events
    allowed_lateness: 1h
entities:
  user: {key: user_id, type: string}
feature_views:
  spend:
    entity: user
    from: clean
    slide: 10m
    ttl: 2d
    features:
      n: {agg: count, over: [1h, 24h]}
      total: {agg: sum, of: amount, over: [1h, 24h]}
      largest: {agg: max, of: amount, over: [24h]}
services:
  v1: [spend]
)";

/// A project in a folder of its own, with days of events of five users.
class TestProject {
 public:
  TestProject() : world_(LogLevel::kError) {
    std::string pattern = testing::TempDir() + "/assay_flow_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    write("assay.yaml", kAssay);
    write("project.yaml", kProject);
    for (int day = 1; day <= 6; ++day) {
      write("data/day-" + std::to_string(day) + ".csv", events_of_day(day));
    }
  }

  void write(const std::string& name, const std::string& text) {
    const std::string path = join_path(folder_, name);
    ASSERT_TRUE(files().make_directories(parent_path(path)).ok());
    ASSERT_TRUE(files().write(path, text).ok());
  }

  /// Change the project's text; it must be there.
  void change(const std::string& from, const std::string& to) {
    const std::string path = join_path(folder_, "project.yaml");
    std::string text = *files().read(path);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write("project.yaml", text.replace(at, from.size(), to));
  }

  std::unique_ptr<Workspace> open() {
    Result<std::unique_ptr<Workspace>> workspace = Workspace::open(world_.world(), folder_, {});
    EXPECT_TRUE(workspace.ok()) << workspace.status().to_string();
    EXPECT_TRUE((*workspace)->apply().ok());
    return *std::move(workspace);
  }

  Result<RunReport> run(const RunOptions& options = {}) { return run_all(*open(), options); }

  uint64_t steps_hash() {
    const auto workspace = open();
    lake::DeltaTable* table =
        *workspace->table(*workspace->steps_table_key(**workspace->view("spend")));
    return *lake::table_content_hash(*table, workspace->sql());
  }

  uint64_t online_hash() {
    const auto workspace = open();
    return *(*workspace->online(true))->content_hash(**workspace->view("spend"));
  }

  VerifyReport verify() {
    const auto workspace = open();
    VerifyOptions options;
    options.values_min = 5'000;
    options.instants = 100;
    Result<VerifyReport> report = verify_service(*workspace, "v1", options);
    EXPECT_TRUE(report.ok()) << report.status().to_string();
    return *report;
  }

  int64_t count(const std::string& table) {
    const auto workspace = open();
    Result<data::Batch> rows = workspace->read_table(table, "count(*) AS n", "", "");
    EXPECT_TRUE(rows.ok()) << rows.status().to_string();
    return rows->column(0).values<int64_t>()[0];
  }

  static std::string events_of_day(int day) {
    const auto random = seeded_random(static_cast<uint64_t>(day));
    std::string text = "user_id,amount,ts\n";
    for (int minute = 0; minute < 24 * 60; minute += 4) {
      const int64_t micros = parse_time("2026-01-01")->micros +
                             (int64_t{day - 1} * 24 * 60 + minute) * 60 * kMicrosPerSecond;
      text += "u" + std::to_string(random->below(5)) + "," + std::to_string(random->below(1000)) +
              ".25," +
              format_time({micros - static_cast<int64_t>(random->below(50 * 60)) *
                                        kMicrosPerSecond * (minute > 60 ? 1 : 0)}) +
              "\n";
    }
    return text;
  }

 private:
  FileSystem& files() { return world_.world().files; }
  SystemWorld world_;
  std::string folder_;
};

void expect_verified(TestProject& project) {
  const VerifyReport report = project.verify();
  EXPECT_GE(report.values, 5'000);
  EXPECT_GT(report.present, report.values / 2);
  EXPECT_EQ(report.differ, 0) << report.differences.front().feature << " "
                              << report.differences.front().online << " / "
                              << report.differences.front().offline;
}

TEST(Flow, ChunksAndGroupsOfAnySizeGiveTheSameStepsAndOnlineRows) {
  TestProject whole;
  ASSERT_TRUE(whole.run().ok());
  expect_verified(whole);
  for (const int64_t rows : {100, 700}) {
    TestProject cut;
    RunOptions options;
    options.epoch_rows = 150;
    options.gold_chunk_rows = rows;
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
  const OnlinePosition position{3, 77};
  EXPECT_EQ(OnlinePosition::decode(position.encode()).table_number, 3);
  EXPECT_EQ(OnlinePosition::decode(position.encode()).version, 77);
  EXPECT_EQ((OnlinePosition{1, 5}).encode(), 5);
}

}  // namespace
}  // namespace assay::flow
