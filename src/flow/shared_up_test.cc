// Several `assay up --share` of one project: what is there in the end is what one process gives.

#include "flow/shared_up.h"

#include <gtest/gtest.h>

#include "flow/running_up.h"
#include "flow/shared_crash.h"

namespace assay::flow {
namespace {

/// A project over a topic of four partitions that processes share.
class SharedProject : public KafkaProject {
 public:
  explicit SharedProject(const TestTopic& topic) : KafkaProject(topic) {
    forget_members_soon(*this);
  }
};

constexpr Duration kFlushEvery{50'000};

void wait_for_parts(RunningUp& up, int parts) {
  up.wait_for_gauge("assay_flow_shared_partitions", parts, {{"name", "events"}});
}

/// Until a table has so many rows.
void wait_for_rows(TestProject& project, const std::string& table, int64_t rows) {
  while (project.count(table) < rows) {
    pause_for({20'000});
  }
}

TEST(SharedUp, OneAloneGivesWhatFilesGive) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 7);
  RunningUp up(project, kFlushEvery, run_shared_up);
  up.wait_until_ready();
  wait_for_rows(project, "silver/clean", topic.sent());
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), topic.sent());
  expect_as_from_files(project);
  expect_verified(project);
}

TEST(SharedUp, TwoThatComeAndGoGiveTheSame) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 3);
  auto first = std::make_unique<RunningUp>(project, kFlushEvery, run_shared_up);
  first->wait_until_ready();
  RunningUp second(project, kFlushEvery, run_shared_up);
  second.wait_until_ready();
  send_days(topic, 3, 4);
  wait_for_parts(*first, 2);
  wait_for_parts(second, 2);
  send_days(topic, 4, 5);
  wait_for_rows(project, "bronze/events", topic.sent());
  EXPECT_TRUE(first->stop().ok());  // the one that led
  first.reset();
  send_days(topic, 5, 7);
  wait_for_parts(second, 4);
  wait_for_rows(project, "silver/clean", topic.sent());
  EXPECT_TRUE(second.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), topic.sent());
  expect_as_from_files(project);
  expect_verified(project);
}

TEST(SharedUp, ADuplicateInAnothersPartitionIsOne) {
  TestTopic topic(2);
  SharedProject project(topic);
  project.change("source: events\n", "source: events\n    key: [user_id, ts]\n");
  RunningUp first(project, kFlushEvery, run_shared_up);
  first.wait_until_ready();
  RunningUp second(project, kFlushEvery, run_shared_up);
  wait_for_parts(first, 1);
  wait_for_parts(second, 1);
  constexpr int kEvents = 200;
  for (int i = 0; i < kEvents; ++i) {  // both read each of them at about the same time
    const std::string event =
        R"({"user_id":"u)" + std::to_string(i) + R"(","amount":1,"ts":"2026-01-01 00:00:00"})";
    topic.send(i % 2, event);
    topic.send((i + 1) % 2, event);
    if (i % 10 == 0) {
      topic.flush();
      pause_for({10'000});
    }
  }
  topic.flush();
  wait_for_rows(project, "silver/clean", kEvents);
  EXPECT_TRUE(first.stop().ok());
  EXPECT_TRUE(second.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), kEvents);
  EXPECT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events"), kEvents);
}

TEST(SharedUp, WhoRunsAloneWaitsForThemAndTheyForHim) {
  TestTopic topic(1);
  SharedProject project(topic);
  {
    RunningUp up(project, kFlushEvery, run_shared_up);
    up.wait_until_ready();
    EXPECT_EQ(project.run().code(), Code::kFailedPrecondition);
  }
  RunningUp alone(project);
  alone.wait_until_ready();
  RunningUp shares(project, kFlushEvery, run_shared_up);
  EXPECT_EQ(shares.ended().code(), Code::kFailedPrecondition);
}

TEST(SharedUp, WhatOneAloneWasAheadByComesFirst) {
  CrashedShares shares;
  shares.kill_at("flow.reads.after_apply:3");
  shares.start_one();
  shares.start_one();
  shares.send_until_read();
  shares.end_all(SIGTERM);
  shares.expect_as_undisturbed();
}

TEST(SharedUp, ATableWithACheckOfAllRowsIsNotShared) {
  TestTopic topic(1);
  SharedProject project(topic);
  project.change("source: events\n",
                 "source: events\n    checks: [{column: user_id, unique: true, on_fail: drop}]\n");
  const auto workspace = project.open();
  EXPECT_EQ(run_shared_up(*workspace, {}).code(), Code::kFailedPrecondition);
}

TEST(SharedUp, KilledAtPointsAndLeaving) {
  CrashedShares shares;
  for (const char* point : {"flow.bronze.between_commits:2",
                            "flow.bronze.after_commit:2",
                            "flow.share.before_give_up:1"}) {
    shares.start_one(point);
    shares.start_one();
    shares.send_until_read();
    shares.send_for(300'000);
    shares.end_one(1, SIGTERM);
    shares.send_for(300'000);
    shares.end_one(0, SIGKILL);
  }
  shares.expect_as_undisturbed();
}

}  // namespace
}  // namespace assay::flow
