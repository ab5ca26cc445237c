// `assay up` and what is away for a while: brokers, the lake.

#include <utility>

#include <gtest/gtest.h>

#include "flow/kafka_line.h"
#include "flow/running_up.h"

namespace assay::flow {
namespace {

TEST(Up, BrokersMayGoAndComeBack) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  RunningUp up(project);
  up.wait_for_records(topic.sent());
  topic.set_away(true);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "events"}});
  topic.set_away(false);
  send_days(topic, 4, 7);
  up.wait_for_records(topic.sent());
  up.wait_for_gauge("assay_flow_source_away", 0, {{"name", "events"}});
  EXPECT_TRUE(up.stop().ok());
  expect_as_from_files(project);
}

TEST(Up, TheLakeMayGoAndComeBack) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  RunningUp up(project);
  up.wait_for_records(topic.sent());
  up.files().is_away = true;
  send_days(topic, 4, 7);
  up.wait_for_gauge("assay_flow_line_waiting", 1);
  up.wait_for_counter_above("assay_flow_failures_total", 1, {{"of", "line"}});
  up.files().is_away = false;
  up.wait_for_records(topic.sent());
  up.wait_for_gauge("assay_flow_line_waiting", 0);
  EXPECT_TRUE(up.stop().ok());
  expect_as_from_files(project);
}

TEST(Up, AStopWhileBrokersAreAwayIsNoFailure) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 7);
  {
    RunningUp up(project);
    up.wait_for_records(topic.sent());
    EXPECT_TRUE(up.stop().ok());
  }
  topic.set_away(true);
  {
    RunningUp up(project);
    up.wait_for_gauge("assay_flow_line_waiting", 1);
    EXPECT_TRUE(up.stop().ok());
  }
  topic.set_away(false);
  ASSERT_TRUE(project.run().ok());
  expect_as_from_files(project);
}

/// Versions that the log of a table has.
lake::Version newest_version(const TestProject& project, const std::string& table) {
  SystemWorld system;
  lake::Version newest = -1;
  const auto files =
      *system.world().files.list(join_path(project.folder(), "lake/" + table + "/_delta_log"));
  for (const FileInfo& file : files) {
    newest += file.path.ends_with(".json") ? 1 : 0;
  }
  return newest;
}

TEST(Up, DaysThatGrowOldWhileViewsAreAheadEndNothing) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change("    allowed_lateness: 1h", "    allowed_lateness: 1h\n    keep: 2d");
  project.change("bronze:\n",
                 "bronze:\n  more:\n    source: others\n    event_time: {column: ts}\n"
                 "    columns: {user_id: string!, ts: timestamp!}\n");
  project.write("others/one.csv", "user_id,ts\nu1,2026-01-01 00:00:00\n");
  send_days(topic, 1, 5);
  RunningUp up(project, {3600 * kMicrosPerSecond});
  up.wait_until_ready();
  // Retention made a version behind the stages; the next look at the files moves the view there.
  up.wait_until(
      "the newest version in the view",
      [&] { return newest_version(project, "silver/clean") - up.position().version; },
      [](lake::Version behind) { return behind <= 0; });
  send_days(topic, 5, 7);
  // Reads that the lake does not have yet; a look at the files may have brought it all of them.
  up.wait_until(
      "reads that the view or the lake has",
      [&] { return std::pair(up.position().reads, project.count("bronze/events")); },
      [&](const auto& seen) { return seen.first > 0 || seen.second == topic.sent(); });
  EXPECT_TRUE(up.stop().ok());
  ASSERT_TRUE(project.run().ok());  // what was not read yet
  EXPECT_EQ(project.count("bronze/events"), topic.sent());
  expect_verified(project);
}

TEST(Up, TheReportHasTheRowsThatCameToViewsBeforeTheLake) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 3);
  RunningUp up(project, {3600 * kMicrosPerSecond});
  up.wait_until_ready();
  send_days(topic, 3, 7);
  up.wait_until(
      "reads that the view has before the lake",
      [&] { return up.position().reads; },
      [](int64_t reads) { return reads > 0; });
  ASSERT_TRUE(up.stop().ok());
  const int64_t rows = up.account("silver", "clean").out;
  EXPECT_GT(rows, 0);
  EXPECT_EQ(up.account("gold", "spend").in, rows);
  EXPECT_EQ(up.account("online", "spend"), (data::Account{.in = rows, .out = rows}));
}

/// A process that was killed before any view was made knows that there are such topics.
TEST(Up, BrokersThatWereThereOnceAreWaitedFor) {
  TestTopic topic(2);
  KafkaProject project(topic);
  ASSERT_TRUE(KafkaLine::open(*project.open(), "events", {}).ok());
  topic.set_away(true);
  RunningUp up(project);
  up.wait_for_gauge("assay_flow_line_waiting", 1);
  topic.set_away(false);
  send_days(topic, 1, 7);
  up.wait_for_records(topic.sent());
  EXPECT_TRUE(up.stop().ok());
  expect_as_from_files(project);
}

TEST(Up, BrokersThatWereNeverThereAreAnError) {
  TestTopic topic(1);
  KafkaProject project(topic);
  topic.set_away(true);
  RunningUp up(project);
  EXPECT_EQ(up.ended().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace assay::flow
