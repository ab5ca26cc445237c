#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include "base/unsynced_files.h"
#include "flow/run.h"
#include "flow/verify.h"
#include "lake/table_hash.h"

// A small project for tests of the line.

namespace assay::flow {

inline constexpr char kAssay[] =
    "project: test\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: "
    "{clock: data}\n";
inline constexpr char kWithoutLake[] =
    "project: test\nlake: none\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: "
    "{clock: data}\n";
inline constexpr char kProject[] = R"(
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
  /// What a failed test leaves may be looked at.
  ~TestProject() {
    std::error_code gone;
    if (!testing::Test::HasFailure()) {
      std::filesystem::remove_all(folder_, gone);
    }
  }
  TestProject(const TestProject&) = delete;
  TestProject& operator=(const TestProject&) = delete;

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
    std::unique_ptr<Workspace> workspace = open_as(Definitions::kFiles);
    EXPECT_TRUE(workspace->apply().ok());
    return workspace;
  }

  std::unique_ptr<Workspace> open_as(Definitions definitions, const std::string& profile = "") {
    WorkspaceOptions options;
    options.definitions = definitions;
    options.profile = profile;
    Result<std::unique_ptr<Workspace>> workspace =
        Workspace::open(world_.world(), folder_, options);
    EXPECT_TRUE(workspace.ok()) << workspace.status().to_string();
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

  [[nodiscard]] const std::string& folder() const { return folder_; }

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
  UnsyncedWorld world_;
  std::string folder_;
};

inline void expect_verified(TestProject& project) {
  const VerifyReport report = project.verify();
  EXPECT_GE(report.values, 5'000);
  EXPECT_GT(report.present, report.values / 2);
  EXPECT_EQ(report.differ, 0) << report.differences.front().feature << " "
                              << report.differences.front().online << " / "
                              << report.differences.front().offline;
}

}  // namespace assay::flow
