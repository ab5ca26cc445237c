// Several processes on one table, and processes that the power cut ends.

#include <csignal>
#include <functional>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lake/delta_table.h"
#include "lake/lake_under_test.h"

namespace assay::lake {
namespace {

using data::Type;

const std::vector<data::Field> kFields = {{"id", Type::kInt64}, {"writer", Type::kInt32}};

/// Run `work` in processes of their own; true when all of them returned true.
bool in_processes(int count, const std::function<bool(int)>& work) {
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(work(i) ? 0 : 1);
    }
    children.push_back(child);
  }
  bool good = true;
  for (const pid_t child : children) {
    int status = 0;
    good &= ::waitpid(child, &status, 0) == child && status == 0;
  }
  return good;
}

/// A folder that is removed at the end. No SQL engine lives in this process when it forks.
struct Folder {
  const std::string path = LakeUnderTest::make_folder();
  ~Folder() { std::filesystem::remove_all(path); }
};

TEST(DeltaProcesses, EightProcessesAppendAHundredCommitsEach) {
  constexpr int kWriters = 8;
  constexpr int kCommits = 100;
  const Folder folder;
  ASSERT_TRUE(in_processes(kWriters, [&](int writer) {
    LakeUnderTest lake(folder.path);
    const auto table = lake.create("t", kFields, {"writer"});
    for (int i = 0; i < kCommits; ++i) {
      CommitRequest request;
      request.adds =
          table
              ->write_files(lake.rows_for(
                  *table, "VALUES (" + std::to_string(i) + ", " + std::to_string(writer) + ")"))
              .value();
      if (!table->commit(request).ok()) {
        return false;
      }
    }
    return true;
  }));
  LakeUnderTest lake(folder.path);
  const auto table = lake.open("t").value();
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot->version, kWriters * kCommits);
  EXPECT_EQ(snapshot->rows(), kWriters * kCommits);
  EXPECT_EQ(std::ssize(table->history().value()), kWriters * kCommits + 1);  // none is missing
  EXPECT_EQ(lake.count(*table), kWriters * kCommits);
  EXPECT_EQ(
      lake.number("SELECT count(DISTINCT (id, writer)) FROM " + table->relation(*snapshot).value()),
      kWriters * kCommits);
}

TEST(DeltaProcesses, EachPositionIsReachedByExactlyOneOfFourWriters) {
  constexpr int kWriters = 4;
  constexpr int64_t kPositions = 20;
  const Folder folder;
  ASSERT_TRUE(in_processes(kWriters, [&](int writer) {
    LakeUnderTest lake(folder.path);
    const auto table = lake.create("t", kFields);
    while (true) {
      const std::optional<int64_t> held = table->snapshot().value()->txn("app");
      if (held == kPositions) {
        return true;
      }
      const int64_t next = held.value_or(0) + 1;
      CommitRequest request;
      request.adds =
          table
              ->write_files(lake.rows_for(
                  *table, "VALUES (" + std::to_string(next) + ", " + std::to_string(writer) + ")"))
              .value();
      request.txns = {{"app", next, held}};
      const Result<Version> done = table->commit(request);
      if (!done.ok() && done.code() != Code::kAborted) {
        return false;
      }
    }
  }));
  LakeUnderTest lake(folder.path);
  const auto table = lake.open("t").value();
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot->version, kPositions);
  EXPECT_EQ(lake.count(*table), kPositions);
  EXPECT_EQ(lake.number("SELECT count(DISTINCT id) FROM " + table->relation(*snapshot).value()),
            kPositions);
}

/// Commit `id` twice with position `id`.
Result<Version> commit_two_rows(DeltaTable& table, LakeUnderTest& lake, int id) {
  const std::string text = std::to_string(id);
  CommitRequest request;
  request.adds =
      table.write_files(lake.rows_for(table, "VALUES (" + text + ", 1), (" + text + ", 2)"))
          .value();
  request.txns = {{"app", id, table.snapshot().value()->txn("app")}};
  return table.commit(request);
}

void commit_and_die(const std::string& folder, const std::string& fail_point) {
  ::setenv("ASSAY_FAIL_POINT", fail_point.c_str(), 1);
  LakeUnderTest lake(folder);
  const auto table = lake.open("t").value();
  static_cast<void>(commit_two_rows(*table, lake, 2));
  ::_exit(0);
}

class DeltaCrash : public testing::TestWithParam<std::pair<const char*, bool>> {};

TEST_P(DeltaCrash, ACommitIsWhollyThereOrNotAtAll) {
  // The dying process is this program started anew, up to EXPECT_EXIT: it finds the folder by this
  // name.
  constexpr const char* kFolderName = "ASSAY_TEST_CRASH_FOLDER";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto& [fail_point, lands] = GetParam();
  const char* given = std::getenv(kFolderName);
  const std::string folder = given != nullptr ? given : LakeUnderTest::make_folder();
  if (given == nullptr) {
    LakeUnderTest lake(folder);
    const auto table = lake.create("t", kFields, {"writer"});
    ASSERT_TRUE(commit_two_rows(*table, lake, 1).ok());
  }
  ::setenv(kFolderName, folder.c_str(), 1);
  EXPECT_EXIT(commit_and_die(folder, fail_point), testing::KilledBySignal(SIGKILL), "");
  ::unsetenv(kFolderName);
  {
    LakeUnderTest lake(folder);
    const auto table = lake.open("t").value();
    EXPECT_EQ(table->snapshot().value()->txn("app"), lands ? 2 : 1);
    EXPECT_EQ(lake.count(*table), lands ? 4 : 2);
    // Whoever comes after goes on from the position that the table holds.
    EXPECT_TRUE(commit_two_rows(*table, lake, 3).ok());
    EXPECT_EQ(lake.count(*table), lands ? 6 : 4);
  }
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(FailPoints,
                         DeltaCrash,
                         testing::Values(std::pair("lake.write.before_sync:1", false),
                                         std::pair("lake.write.before_sync:2", false),
                                         std::pair("lake.commit.before_put:1", false),
                                         std::pair("lake.commit.after_put:1", true)));

}  // namespace
}  // namespace assay::lake
