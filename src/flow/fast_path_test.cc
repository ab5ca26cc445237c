// Views ahead of the lake: readable at once, and equal to what a run over files gives.

#include "flow/fast_path.h"

#include <gtest/gtest.h>

#include "flow/online_stage.h"
#include "flow/read_journal.h"
#include "flow/running_up.h"

namespace assay::flow {
namespace {

constexpr Duration kNever{3600 * kMicrosPerSecond};

uint64_t online_of_all_days() {
  static const uint64_t hash = [] {
    TestProject files;
    EXPECT_TRUE(files.run().ok());
    return files.online_hash();
  }();
  return hash;
}

/// Until the view has a read that the lake does not have, and gets none while this is asked.
void wait_until_ahead(RunningUp& up) {
  up.wait_until(
      "a view that is ahead",
      [&] { return up.position().reads; },
      [](int64_t reads) { return reads > 0; });
}

TEST(FastPath, EventsAreReadableBeforeTheLakeHasThem) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  {
    RunningUp up(project, kNever);
    up.wait_until_ready();
    const int flushes = up.flushes();
    send_days(topic, 4, 7);
    up.wait_for_online(online_of_all_days());
    EXPECT_EQ(up.flushes(), flushes);
    EXPECT_GT(up.position().reads, 0);
    EXPECT_LT(project.count("bronze/events"), topic.sent());
    EXPECT_GT(up.metrics()
                  .histogram("assay_flow_event_readable_after_seconds", "", {{"view", "spend"}})
                  .count(),
              0);
    const std::string metrics = up.metrics().to_text();
    for (const char* name :
         {R"(assay_flow_partition_lag_records{name="events",partition="events/1"})",
          R"(assay_flow_partition_lag_seconds{name="events",partition="events/0"})",
          R"(assay_flow_records_read_total{name="events"})",
          "assay_flow_commit_seconds_count",
          "assay_flow_epoch_seconds"}) {
      EXPECT_NE(metrics.find(name), std::string::npos) << name;
    }
    EXPECT_TRUE(up.stop().ok());
    EXPECT_EQ(up.position().reads, 0);
  }
  expect_as_from_files(project);
  expect_verified(project);
}

TEST(FastPath, CommitsBetweenReadsChangeNothing) {
  TestTopic topic(3);
  KafkaProject project(topic);
  send_days(topic, 1, 2);
  RunningUp up(project);
  up.wait_until_ready();
  for (int day = 2; day < 7; ++day) {
    send_days(topic, day, day + 1);
    up.wait_for_records(topic.sent());
  }
  EXPECT_TRUE(up.stop().ok());
  expect_as_from_files(project);
}

TEST(FastPath, ReadingGoesOnWhileTheLakeIsWritten) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  RunningUp up(project);
  up.wait_until_ready();
  up.files().is_held = true;
  send_days(topic, 4, 5);
  wait_until_ahead(up);
  send_days(topic, 5, 7);
  up.wait_for_online(online_of_all_days());
  EXPECT_GT(up.position().reads, 1);
  up.files().is_held = false;
  up.wait_for_records(topic.sent());
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(up.position().reads, 0);
  expect_as_from_files(project);
}

TEST(FastPath, ALineThatLostItsLakeForAWhileRepeatsItsReads) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 3);
  RunningUp up(project, kNever);
  up.wait_until_ready();
  send_days(topic, 3, 5);
  wait_until_ahead(up);
  up.files().is_away = true;
  EXPECT_EQ(up.stop().code(), Code::kUnavailable);  // the last commit
  send_days(topic, 5, 7);
  EXPECT_TRUE(project.run().ok());
  expect_as_from_files(project);
}

TEST(FastPath, WithoutItsJournalAViewIsMadeFromTheLake) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 3);
  {
    RunningUp up(project, kNever);
    up.wait_until_ready();
    send_days(topic, 3, 7);
    up.wait_for_online(online_of_all_days());
    up.files().is_away = true;
    EXPECT_EQ(up.stop().code(), Code::kUnavailable);
  }
  SystemWorld system;
  ReadJournal journal(system.world(), project.folder(), "bronze/events");
  EXPECT_FALSE(journal.read(1)->empty());
  EXPECT_TRUE(journal.remove_up_to(1).ok());
  EXPECT_TRUE(project.run().ok());
  expect_as_from_files(project);
}

TEST(FastPath, ViewsThatChangeWithTheLakeWaitForIt) {
  TestTopic topic(1);
  KafkaProject project(topic);
  EXPECT_EQ(why_not_fast(project.open()->project(), "spend"), "");
  project.change("    allowed_lateness: 1h\n",
                 "    allowed_lateness: 1h\n    checks:\n      - {column: amount, unique: true}\n");
  EXPECT_NE(why_not_fast(project.open()->project(), "spend"), "");
  TestProject files;
  EXPECT_NE(why_not_fast(files.open()->project(), "spend"), "");
}

}  // namespace
}  // namespace assay::flow
