// Backfills: after a correction of the source the steps table must be what a computation from
// nothing gives, however it was cut, stopped or asked for.

#include "flow/backfill.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unsynced_files.h"
#include "flow/gold_task.h"
#include "flow/test_project.h"

namespace assay::flow {
namespace {

/// Hash of the steps that the source table as it is now gives, computed from nothing.
uint64_t true_steps_hash(TestProject& project) {
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  const data::Batch rows = *workspace->read_table(
      *workspace->source_table_key("clean"), column_list(view->source_columns()), "", "");
  return data::content_hash(*view->steps(
      rows, data::Batch::empty(view->steps_schema()), EventTime::min(), EventTime::max(), 2));
}

uint64_t held_steps_hash(TestProject& project) {
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  return data::content_hash(*workspace->read_table(
      *workspace->steps_table_key(*view), column_list(view->steps_schema()->names()), "", ""));
}

/// Change the amounts of one day's rows in the silver table, as a correction by its owner would.
void correct_day(TestProject& project, const std::string& day) {
  const auto workspace = project.open();
  lake::DeltaTable* table = *workspace->table(*workspace->silver_table_key("clean"));
  const auto snapshot = *table->snapshot();
  lake::CommitRequest request;
  std::vector<lake::DataFile> files;
  for (const auto& [path, file] : snapshot->files) {
    if (file.partition_values.at("event_date") == day) {
      files.push_back(file);
      request.removes.push_back(path);
    }
  }
  ASSERT_FALSE(files.empty());
  const data::Batch rows = *workspace->sql().query(
      "SELECT * REPLACE (amount + 1000 AS amount) FROM " + *table->relation_of(*snapshot, files));
  request.adds = *table->write_files(rows);
  ASSERT_TRUE(table->commit(request).ok());
}

Result<BackfillReport> backfill(TestProject& project, const BackfillOptions& options = {}) {
  return backfill_view(*project.open(), "spend", options);
}

TEST(Backfill, OfAnUntouchedHistoryFindsNothingToDo) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  Result<BackfillReport> report = backfill(project);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->days, 6);
  EXPECT_EQ(report->days_computed, 0);
  EXPECT_EQ(report->version, std::nullopt);

  BackfillOptions full;
  full.full = true;
  report = backfill(project, full);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->days_computed, report->days);
  EXPECT_EQ(report->days_replaced, 0);
  EXPECT_EQ(report->version, std::nullopt);
}

TEST(Backfill, ACorrectedDayIsComputedAnewWithAllThatItReaches) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  correct_day(project, "2026-01-02");
  EXPECT_EQ(backfill(project).code(), Code::kFailedPrecondition);  // the table is not up to it
  ASSERT_TRUE(project.run().ok());
  EXPECT_NE(held_steps_hash(project), true_steps_hash(project));

  BackfillOptions options;
  options.run.gold_chunk_rows = 300;
  const Result<BackfillReport> report = backfill(project, options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
  EXPECT_EQ(report->days_replaced, 2);  // the day, and the next one through the window of a day
  EXPECT_LT(report->days_computed, report->days);
  EXPECT_GT(report->steps_after, 0);
  EXPECT_EQ(backfill(project)->days_computed, 0);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
}

TEST(Backfill, ACorrectionThatReachesTheOpenTailMakesItAnew) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  correct_day(project, "2026-01-06");
  ASSERT_TRUE(project.run().ok());
  ASSERT_TRUE(backfill(project).ok());
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
}

TEST(Backfill, ARangeIsReplacedAndNoMore) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  correct_day(project, "2026-01-02");
  correct_day(project, "2026-01-05");
  ASSERT_TRUE(project.run().ok());
  BackfillOptions options;
  options.from = *parse_time("2026-01-01");
  options.to = *parse_time("2026-01-03T12:00:00Z");
  Result<BackfillReport> report = backfill(project, options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->days, 3);
  EXPECT_EQ(report->days_replaced, 2);
  EXPECT_NE(held_steps_hash(project), true_steps_hash(project));
  report = backfill(project);  // the rest is still known to be open
  ASSERT_TRUE(report.ok());
  EXPECT_GE(report->days_replaced, 1);
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
  options.from = options.to;
  EXPECT_EQ(backfill(project, options).code(), Code::kInvalidArgument);
}

TEST(Backfill, OneThatWasStoppedGoesOnBehindWhatItDid) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  correct_day(project, "2026-01-02");
  correct_day(project, "2026-01-04");
  ASSERT_TRUE(project.run().ok());
  std::atomic<bool> stop{true};
  BackfillOptions options;
  options.full = true;
  options.run.gold_chunk_rows = 300;
  options.run.stop = &stop;
  int stops = 0;
  Result<BackfillReport> report = backfill(project, options);
  while (report.code() == Code::kCancelled) {
    ++stops;
    ASSERT_LT(stops, 20);
    EXPECT_NE(held_steps_hash(project), true_steps_hash(project));  // nothing before the commit
    report = backfill(project, options);
  }
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_GE(stops, 3);
  EXPECT_GT(report->days_resumed, 0);
  EXPECT_EQ(report->days_computed, report->days);
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
}

constexpr char kChildFolder[] = "ASSAY_TEST_BACKFILL_FOLDER";
constexpr int64_t kFewRows = 300;

/// What a process does that dies at a fail point; nothing where no other test asks for it.
TEST(BackfillCrash, Child) {
  const char* folder = std::getenv(kChildFolder);
  if (folder != nullptr) {
    UnsyncedWorld world(LogLevel::kError);
    auto workspace = *Workspace::open(world.world(), folder, {});
    ASSERT_TRUE(workspace->apply().ok());
    BackfillOptions options;
    options.run.gold_chunk_rows = kFewRows;
    ASSERT_TRUE(backfill_view(*workspace, "spend", options).ok());
  }
}

/// How a process ends whose backfill dies when it passes this point for the first time.
int backfill_to(const std::string& point, const TestProject& project) {
  const std::string folder = std::string(kChildFolder) + "=" + project.folder();
  const std::string armed = "ASSAY_FAIL_POINT=" + point + ":1";
  const pid_t child = ::fork();
  if (child == 0) {  // nothing but system calls: the parent may have threads
    const char* const words[] = {"flow_test", "--gtest_filter=BackfillCrash.Child", nullptr};
    const char* const environment[] = {folder.c_str(), armed.c_str(), nullptr};
    ::execve(
        "/proc/self/exe", const_cast<char* const*>(words), const_cast<char* const*>(environment));
    ::_exit(127);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

bool was_killed(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

TEST(BackfillCrash, AfterAnyPieceNothingIsSeenAndTheNextOneGoesOn) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  correct_day(project, "2026-01-02");
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = held_steps_hash(project);
  int kills = 0;
  int status = backfill_to("flow.backfill.after_chunk", project);
  for (; was_killed(status); status = backfill_to("flow.backfill.after_chunk", project)) {
    ASSERT_LT(++kills, 20);
    EXPECT_EQ(held_steps_hash(project), before);
  }
  EXPECT_EQ(status, 0);
  EXPECT_GE(kills, 2);
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
}

TEST(BackfillCrash, BeforeAndAfterTheCommitTheNextOneEndsIt) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  correct_day(project, "2026-01-02");
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = held_steps_hash(project);
  EXPECT_TRUE(was_killed(backfill_to("flow.backfill.before_commit", project)));
  EXPECT_EQ(held_steps_hash(project), before);
  EXPECT_TRUE(was_killed(backfill_to("flow.backfill.after_commit", project)));
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
  EXPECT_EQ(backfill(project)->days_computed, 0);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(held_steps_hash(project), true_steps_hash(project));
}

TEST(Backfill, AViewThatWasNeverMadeIsMadeByARun) {
  TestProject project;
  EXPECT_FALSE(backfill(project).ok());
}

}  // namespace
}  // namespace assay::flow
