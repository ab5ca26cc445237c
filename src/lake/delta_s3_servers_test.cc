// Tables on a real S3 service, by several processes, and by processes that end at any moment.

#include <csignal>
#include <cstdio>
#include <functional>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "lake/lake_on_s3.h"

namespace assay::lake {
namespace {

store::S3Options real_service(const std::string& prefix) {
  store::S3Options options;
  options.bucket = "assay";
  options.prefix = "delta/" + prefix;
  options.endpoint = environment_variable("ASSAY_TEST_S3").value_or("");
  options.environment = environment_variable;
  return options;
}

std::string new_prefix() {
  return system_random()->uuid();
}

pid_t start(const std::function<bool()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(work() ? 0 : 1);
  }
  return child;
}

int wait_for(pid_t child) {
  int status = -1;
  return ::waitpid(child, &status, 0) == child ? status : -1;
}

/// Versions 1 to `versions` are there, and every row once.
void expect_whole(LakeOnS3& lake, Version versions) {
  const auto table = lake.open("t").value();
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot->version, versions);
  EXPECT_EQ(static_cast<Version>(table->history().value().size()), versions + 1);
  EXPECT_EQ(lake.number(*table, "count(*)").value(), versions);
  EXPECT_EQ(lake.number(*table, "count(DISTINCT (id, writer))").value(), versions);
}

TEST(DeltaS3Servers, EightProcessesAppendAHundredCommitsEach) {
  constexpr int kWriters = 8;
  constexpr int kCommits = 100;
  const std::string prefix = new_prefix();
  std::vector<pid_t> children;
  for (int writer = 0; writer < kWriters; ++writer) {
    children.push_back(start([&, writer] {
      LakeOnS3 lake(real_service(prefix));
      const auto table = lake.create("t");
      if (!table.ok()) {
        return false;
      }
      for (int i = 0; i < kCommits; ++i) {
        const Result<Version> done = LakeOnS3::append(**table, i, writer);
        if (!done.ok()) {
          std::fprintf(stderr, "writer %d: %s\n", writer, done.status().to_string().c_str());
          return false;
        }
      }
      return true;
    }));
  }
  for (const pid_t child : children) {
    EXPECT_EQ(wait_for(child), 0);
  }
  LakeOnS3 lake(real_service(prefix));
  expect_whole(lake, kWriters * kCommits);
}

/// Ids 1, 2, 3, ... each with position `id` in its commit, until somebody kills this process. A
/// byte to `ready` says that it begins.
bool append_for_ever(const std::string& prefix, int ready) {
  LakeOnS3 lake(real_service(prefix));
  const auto table = lake.create("t");
  if (::write(ready, "!", 1) != 1) {
    return false;
  }
  while (table.ok()) {
    const int64_t held = (*table)->snapshot().value()->txn("app").value_or(0);
    CommitRequest request;
    request.adds = (*table)->write_files(LakeOnS3::rows(held + 1, 1)).value();
    request.txns = {{"app", held + 1, held == 0 ? std::nullopt : std::optional(held)}};
    if (!(*table)->commit(request).ok()) {
      return false;
    }
  }
  return false;
}

TEST(DeltaS3Servers, ProcessesKilledAtRandomMomentsLeaveWholeCommits) {
  const int kills = std::stoi(environment_variable("ASSAY_TEST_KILLS").value_or("40"));
  const std::string prefix = new_prefix();
  const std::unique_ptr<Random> random = system_random();
  for (int i = 0; i < kills; ++i) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = start([&] { return append_for_ever(prefix, ready[1]); });
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    ::usleep(static_cast<useconds_t>(random->below(500'000)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    EXPECT_TRUE(WIFSIGNALED(wait_for(child)));
  }
  // No SQL engine lived in this process while it forked.
  LakeOnS3 lake(real_service(prefix));
  const auto table = lake.create("t").value();
  const auto snapshot = table->snapshot().value();
  ASSERT_GT(snapshot->version, 0) << "no process lived long enough";
  EXPECT_EQ(snapshot->txn("app"), snapshot->version);
  expect_whole(lake, snapshot->version);
}

TEST(DeltaS3Servers, WhatAnotherProcessCommittedIsReadHere) {
  const std::string prefix = new_prefix();
  LakeOnS3 mine(real_service(prefix));
  LakeOnS3 theirs(real_service(prefix));
  const auto table = mine.create("t", {"writer"}).value();
  const auto same = theirs.create("t", {"writer"}).value();
  for (int i = 0; i < 25; ++i) {
    ASSERT_TRUE(LakeOnS3::append(i % 2 == 0 ? *table : *same, i, i % 3).ok());
  }
  expect_whole(mine, 25);
  expect_whole(theirs, 25);
}

}  // namespace
}  // namespace assay::lake
