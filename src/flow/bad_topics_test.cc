// What a topic may hold that it should not: nothing stops the line, and everything is accounted
// for. What befalls the topic itself is tested beside a real broker (tests/line/topics_test.py).

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "flow/running_up.h"

namespace assay::flow {
namespace {

std::string event(const std::string& user, const std::string& time) {
  return R"({"user_id":")" + user + R"(","amount":1,"ts":")" + time + "\"}";
}

/// How many records were refused for which reason.
std::map<std::string, int> reasons(TestProject& project) {
  const auto workspace = project.open();
  const data::Batch rows = *workspace->read_table("bronze/events_quarantine", "reason", "", "");
  std::map<std::string, int> counts;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    ++counts[std::string(rows.column(0).text(row))];
  }
  return counts;
}

using Reasons = std::map<std::string, int>;

TEST(BadTopics, AClockTenYearsAheadInOnePartitionMakesNothingLate) {
  TestTopic topic(2);
  KafkaProject project(topic);
  constexpr int kHours = 20;
  RunOptions options;
  options.epoch_rows = 1;
  for (int hour = 0; hour < kHours; ++hour) {
    const std::string time = (hour < 10 ? "0" : "") + std::to_string(hour) + ":00:00";
    topic.send(0, event("u1", "2026-01-02 " + time));
    topic.send(1, event("u2", "2046-01-02 " + time));
    topic.flush();
    ASSERT_TRUE(project.run(options).ok());
  }
  EXPECT_EQ(project.count("bronze/events"), kHours);
  EXPECT_EQ(project.count("silver/clean"), kHours);
  EXPECT_EQ(reasons(project), (Reasons{{"future_event_time", kHours}}));
}

/// Known times are those that records say.
void know_when_seen(TestProject& project) {
  project.change("known_time: {delay: 20m}", "known_time: {column: seen}");
  project.change("ts: timestamp!}", "ts: timestamp!, seen: timestamp}");
}

std::string seen_event(const std::string& user, int hour, const std::string& year) {
  const std::string time = (hour < 10 ? "-01-02 0" : "-01-02 ") + std::to_string(hour) + ":00:00";
  return R"({"user_id":")" + user + R"(","amount":1,"ts":"2026)" + time + R"(","seen":")" + year +
         time + "\"}";
}

TEST(BadTopics, AKnownTimeTenYearsAheadInOnePartitionHidesNothing) {
  TestTopic topic(2);
  KafkaProject project(topic);
  know_when_seen(project);
  std::string good;
  std::string all;
  const auto send = [&](int hour) {
    const std::string first = seen_event("u1", hour, "2026");
    const std::string second = seen_event("u2", hour, hour % 4 == 0 ? "2026" : "2036");
    topic.send(0, first);
    topic.send(1, second);
    topic.flush();
    all += first + "\n" + second + "\n";
    good += first + "\n" + (hour % 4 == 0 ? second + "\n" : "");
  };
  for (int hour = 0; hour < 12; ++hour) {
    send(hour);
    if (hour % 4 == 3) {
      ASSERT_TRUE(project.run().ok());
    }
  }
  {
    RunningUp up(project, {3600 * kMicrosPerSecond});
    up.wait_until_ready();
    for (int hour = 12; hour < 20; ++hour) {
      send(hour);
    }
    up.wait_for_counter_above("assay_flow_records_read_total", 15, {{"name", "events"}});
    ASSERT_TRUE(up.stop().ok());
  }
  TestProject files;
  TestProject without;
  for (TestProject* each : {&files, &without}) {
    each->change("{path: data, format: csv}", "{path: lines, format: json}");
    know_when_seen(*each);
  }
  files.write("lines/events.jsonl", all);
  without.write("lines/events.jsonl", good);
  ASSERT_TRUE(project.run().ok());
  ASSERT_TRUE(files.run().ok());
  ASSERT_TRUE(without.run().ok());
  for (TestProject* each : {static_cast<TestProject*>(&project), &files}) {
    EXPECT_EQ(reasons(*each), (Reasons{{"future_known_time", 15}}));
    EXPECT_EQ(each->count("silver/clean"), 25);
    EXPECT_EQ(each->steps_hash(), without.steps_hash());
    EXPECT_EQ(each->online_hash(), without.online_hash());
  }
}

TEST(BadTopics, CompressedAndTruncatedValuesGoToQuarantine) {
  TestTopic topic(1);
  KafkaProject project(topic);
  topic.send(0, event("u1", "2026-01-01 00:00:00"));
  topic.send(0, std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x4a", 13));  // gzip
  topic.send(0, std::string("\x28\xb5\x2f\xfd\x04\x58\x00\x00", 8));                       // zstd
  topic.send(0, std::string("\x00\x00\x00\x00\x07\x02\x61", 7));  // Avro of a registry
  topic.send(0, R"({"user_id":"u1","amount":)");
  topic.send(0, event("u1", "2026-01-01 00:00:01"));
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events"), 2);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 4);
}

TEST(BadTopics, AnOversizedMessageIsQuarantinedAndTheOthersAreNot) {
  TestTopic topic(1);
  KafkaProject project(topic);
  project.change("topics: events}", "topics: events, record_max: 1KB}");
  topic.send(0, event("u1", "2026-01-01 00:00:00"));
  topic.send(0, event(std::string(2'000, 'u'), "2026-01-01 00:00:00"));
  topic.send(0, event("u2", "2026-01-01 00:00:00"));
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events"), 2);
  EXPECT_EQ(reasons(project), (Reasons{{"too_large", 1}}));
}

TEST(BadTopics, WhatCameAndWentIsCounted) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change("source: events\n", kWithKey);
  RunningUp up(project);
  topic.send(0, event("u1", "2026-01-01 12:00:00"));
  topic.send(0, event("u1", "2026-01-01 12:00:00"));  // once more
  topic.send(0, "no event");
  topic.flush();
  up.wait_for_records(3);
  topic.send(0, event("u1", "2026-01-01 09:00:00"));  // too late
  topic.send(1, event("u2", "2026-01-01 12:00:00"));
  topic.flush();
  up.wait_for_records(5);
  ASSERT_TRUE(up.stop().ok());
  Metrics& metrics = up.metrics();
  const auto rows = [&](const char* stage, const char* name, const char* outcome) {
    return metrics
        .counter(
            "assay_flow_rows_total", "", {{"stage", stage}, {"name", name}, {"outcome", outcome}})
        .value();
  };
  EXPECT_EQ(metrics.counter("assay_flow_records_read_total", "", {{"name", "events"}}).value(), 5);
  EXPECT_EQ(rows("bronze", "events", "out"), 3);
  EXPECT_EQ(rows("bronze", "events", "duplicate"), 1);
  EXPECT_EQ(rows("bronze", "events", "quarantined"), 1);
  EXPECT_EQ(rows("silver", "clean", "late"), 1);
  EXPECT_EQ(rows("silver", "clean", "out"), 2);
  const auto noon = static_cast<double>(parse_time("2026-01-01 12:00:00")->micros) / 1e6;
  for (const char* partition : {"events/0", "events/1"}) {
    EXPECT_EQ(metrics
                  .gauge("assay_flow_partition_time_seconds",
                         "",
                         {{"name", "clean"}, {"partition", partition}})
                  .value(),
              noon);
  }
  EXPECT_EQ(metrics.gauge("assay_flow_low_time_seconds", "", {{"name", "clean"}}).value(), noon);
  const std::string text = metrics.to_text();
  for (const char* name : {"assay_flow_source_lag_records",
                           "assay_flow_partition_lag_records",
                           "assay_flow_partition_lag_seconds",
                           "assay_flow_epoch_seconds",
                           "assay_flow_commit_seconds",
                           "assay_flow_readable_after_seconds",
                           "assay_flow_event_readable_after_seconds",
                           "assay_flow_keys_memory_bytes",
                           "assay_flow_keys_file_bytes"}) {
    EXPECT_NE(text.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace assay::flow
