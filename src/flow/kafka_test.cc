// The line from a topic: the same steps and online rows as from files, however it is cut, stopped
// and gone on with.

#include <atomic>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "flow/running_up.h"
#include "flow/status.h"

namespace assay::flow {
namespace {

/// Rows that came in and went out of bronze, by a report.
int64_t bronze_in(const RunReport& report) {
  for (const StageAccount& stage : report.stages) {
    if (stage.stage == "bronze" && stage.name == "events") {
      return stage.rows.in;
    }
  }
  return 0;
}

/// Run `up` until it has committed so many more records.
void up_until(TestProject& project, int64_t records) {
  const auto workspace = project.open();
  std::atomic<bool> stop = false;
  UpOptions options;
  options.run.stop = &stop;
  options.flush_every = {0};
  options.flushed = [&](const RunReport& report) { stop = bronze_in(report) >= records; };
  const Result<RunReport> report = run_up(*workspace, options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
}

TEST(Kafka, ARunGivesWhatARunOverFilesGives) {
  TestTopic topic(3);
  send_days(topic, 1, 7);
  for (const int64_t epoch_rows : {170, 20'000}) {
    KafkaProject project(topic);
    RunOptions options;
    options.epoch_rows = epoch_rows;
    const Result<RunReport> report = project.run(options);
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    EXPECT_EQ(bronze_in(*report), topic.sent());
    expect_as_from_files(project);
  }
}

TEST(Kafka, RunsThatFollowEachOtherGoOnWhereTheTablesStand) {
  TestTopic topic(2);
  KafkaProject project(topic);
  for (int day = 1; day < 7; day += 2) {
    send_days(topic, day, day + 2);
    ASSERT_TRUE(project.run().ok());
  }
  EXPECT_EQ(project.count("bronze/events"), topic.sent());
  expect_as_from_files(project);
}

TEST(Kafka, UpGivesTheSameAndGoesOnAfterAStop) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  const int64_t before = topic.sent();
  up_until(project, before);
  send_days(topic, 4, 7);
  up_until(project, topic.sent() - before);
  EXPECT_EQ(project.count("bronze/events"), topic.sent());
  expect_as_from_files(project);
  expect_verified(project);
}

TEST(Kafka, PoisonGoesToQuarantineWithItsTopicPartitionAndOffset) {
  TestTopic topic(2);
  KafkaProject project(topic);
  topic.send(1, R"({"user_id":"u1","amount":1,"ts":"2026-01-01 00:00:00"})");
  topic.send(1, "not json");
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const data::Batch rows =
      *workspace->read_table("bronze/events_quarantine", "file, line, payload", "", "");
  ASSERT_EQ(rows.rows(), 1);
  EXPECT_EQ(rows.column(0).text(0), "events/1");
  EXPECT_EQ(rows.column(1).values<int64_t>()[0], 1);
  EXPECT_EQ(rows.column(2).text(0), "not json");
}

TEST(Kafka, ATopicOfAnotherFormStopsTheLineAndCommitsNothing) {
  TestTopic topic(1);
  KafkaProject project(topic);
  for (int i = 0; i < 2'000; ++i) {
    topic.send(0, R"({"uid":1})");
  }
  topic.flush();
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  const auto workspace = *Workspace::open(quiet.world(), project.folder(), {});
  ASSERT_TRUE(workspace->apply().ok());
  EXPECT_EQ(run_all(*workspace, {}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(project.count("bronze/events"), 0);
}

TEST(Kafka, ADuplicateInAnotherPartitionIsOne) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change("source: events\n", kWithKey);
  const std::string event = R"({"user_id":"u1","amount":1,"ts":"2026-01-01 00:00:00"})";
  for (const int32_t partition : {1, 0, 1}) {
    topic.send(partition, event);
    topic.flush();
    ASSERT_TRUE(project.run().ok());
  }
  EXPECT_EQ(project.count("bronze/events"), 1);
}

TEST(Kafka, DuplicatesAreFoundHoweverLittleIsHeld) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change("source: events\n", std::string(kWithKey) + "    dedup_for: 1h\n");
  constexpr int kEvents = 1'000;
  constexpr int kHours = 20;
  for (const int turn : {0, 1}) {  // hours on end, and all of them again from the other partition
    for (int i = 0; i < kEvents; ++i) {
      const int hour = i * kHours / kEvents;
      topic.send((i + turn) % 2,
                 R"({"user_id":"u)" + std::to_string(i) + R"(","amount":1,"ts":"2026-01-01 )" +
                     (hour < 10 ? "0" : "") + std::to_string(hour) + ":00:00\"}");
    }
    topic.flush();
  }
  RunOptions options;
  options.epoch_rows = 100;
  options.duplicates_bytes = 1;
  ASSERT_TRUE(project.run(options).ok());
  EXPECT_EQ(project.count("bronze/events"), kEvents);
}

TEST(Kafka, APartitionThatIsFarBehindIsNotLate) {
  // One partition holds a later week than the other: read one after the other, whichever comes
  // first.
  TestTopic topic(2);
  KafkaProject project(topic);
  for (int day = 20; day < 26; ++day) {
    topic.send(1, R"({"user_id":"u1","amount":1,"ts":"2026-01-)" + std::to_string(day) + "\"}");
    topic.send(0,
               R"({"user_id":"u2","amount":1,"ts":"2026-01-)" + std::to_string(day - 10) + "\"}");
  }
  topic.flush();
  RunOptions options;
  options.epoch_rows = 1;
  ASSERT_TRUE(project.run(options).ok());
  EXPECT_EQ(project.count("silver/clean"), 12);
}

TEST(Kafka, ATopicMadeAgainStopsTheLineHoweverManyRecordsItHas) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 3);
  ASSERT_TRUE(project.run().ok());
  TestTopic again(2);  // of the same name, at another broker
  send_days(again, 1, 7);
  project.change(topic.brokers(), again.brokers());
  EXPECT_EQ(project.run().code(), Code::kFailedPrecondition);
  EXPECT_EQ(project.count("bronze/events"), topic.sent());

  project.change("topics: events}", "topics: events, on_lost: skip}");
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  const auto workspace = *Workspace::open(quiet.world(), project.folder(), {});
  ASSERT_TRUE(workspace->apply().ok());
  const Result<RunReport> report = run_all(*workspace, {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(project.count("bronze/events"), topic.sent() + again.sent());
}

TEST(Kafka, UpReadsATopicMadeAgainFromItsBeginningWhereToldTo) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change("allowed_lateness: 1h", "allowed_lateness: 30d");  // days come once more
  project.change("topics: events}", "topics: events, on_lost: skip}");
  send_days(topic, 1, 3);
  up_until(project, topic.sent());
  TestTopic again(2);
  send_days(again, 1, 7);
  project.change(topic.brokers(), again.brokers());
  up_until(project, again.sent());
  EXPECT_EQ(project.count("bronze/events"), topic.sent() + again.sent());
  EXPECT_EQ(project.count("silver/clean"), topic.sent() + again.sent());
}

TEST(Kafka, StatusNamesPartitionsAndOffsets) {
  TestTopic topic(1);
  KafkaProject project(topic);
  send_days(topic, 1, 2);
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto stages = *project_status(*workspace);
  EXPECT_EQ(stages.front().position, "events/0 offset " + std::to_string(topic.sent()));
}

}  // namespace
}  // namespace assay::flow
