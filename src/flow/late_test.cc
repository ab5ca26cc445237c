// What is late of a topic: rows by those before them in their own partitions, however partitions
// come, reads are cut and lines are stopped.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/running_up.h"
#include "flow/shared_crash.h"
#include "flow/silver_stage.h"
#include "lake/compaction.h"
#include "lake/vacuum.h"

namespace assay::flow {
namespace {

constexpr char kTopics[] = "topics: events}";
constexpr char kSoonIdle[] = "topics: events, idle_timeout: 300ms}";
constexpr Duration kFlushEvery{20'000};

std::string event(const std::string& user, int64_t minute) {
  return R"({"user_id":")" + user + R"(","amount":)" + std::to_string(minute) + R"(,"ts":")" +
         format_time({parse_time("2026-01-01")->micros + minute * 60 * kMicrosPerSecond}) + "\"}";
}

void send(TestTopic& topic, int32_t partition, const std::vector<int64_t>& minutes) {
  for (const int64_t minute : minutes) {
    topic.send(partition, event("u" + std::to_string(partition), minute));
  }
  topic.flush();
}

/// The minutes of the rows in a table, by user.
std::map<std::string, std::vector<int64_t>> minutes_of(TestProject& project,
                                                       const std::string& table) {
  const auto workspace = project.open();
  std::map<std::string, std::vector<int64_t>> minutes;
  if (rows_of(*workspace, table) > 0) {
    const data::Batch rows = *workspace->read_table(table, "user_id, amount", "", "sequence");
    for (int64_t row = 0; row < rows.rows(); ++row) {
      minutes[std::string(rows.column(0).text(row))].push_back(
          static_cast<int64_t>(rows.column(1).values<double>()[static_cast<std::size_t>(row)]));
    }
  }
  return minutes;
}

using Minutes = std::map<std::string, std::vector<int64_t>>;

/// Pieces of a day and more, one partition after the other, each of them in order of time.
void send_pieces(TestTopic& topic, int first, int end, const std::function<void()>& sent) {
  for (int piece = first; piece < end; ++piece) {
    for (const int32_t partition : {piece % 2, (piece + 1) % 2}) {
      send(topic, partition, {piece * 3000, piece * 3000 + 1000, piece * 3000 + 2000});
      sent();
    }
  }
}

TEST(Late, APieceOfOnePartitionBehindThatOfAnotherIsNot) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_pieces(topic, 0, 6, [&] { ASSERT_TRUE(project.run().ok()); });
  EXPECT_EQ(project.count("silver/clean"), topic.sent());
}

TEST(Late, NorIsOneThatComesToALineThatFollows) {
  TestTopic topic(2);
  KafkaProject project(topic);
  for (const int half : {0, 1}) {
    RunningUp up(project, kFlushEvery);
    const int64_t before = topic.sent();
    send_pieces(topic, half * 4, half * 4 + 4, [&] { up.wait_for_records(topic.sent() - before); });
    ASSERT_TRUE(up.stop().ok());
  }
  EXPECT_EQ(project.count("silver/clean"), topic.sent());
  EXPECT_EQ(project.verify().differ, 0);
}

TEST(Late, NorIsOneThatAnotherProcessReads) {
  TestTopic topic(2);
  KafkaProject project(topic);
  forget_members_soon(project);
  {
    RunningUp first(project, kFlushEvery, run_shared_up);
    first.wait_until_ready();
    RunningUp second(project, kFlushEvery, run_shared_up);
    send_pieces(topic, 0, 4, [&] { wait_for_rows(project, "bronze/events", topic.sent()); });
    ASSERT_TRUE(first.stop().ok());
    send_pieces(topic, 4, 6, [&] { wait_for_rows(project, "bronze/events", topic.sent()); });
    ASSERT_TRUE(second.stop().ok());
  }
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("silver/clean"), topic.sent());
  EXPECT_EQ(project.verify().differ, 0);
}

TEST(Late, RowsAreByTheirOwnPartitionHoweverTheyAreCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr int32_t kParts = 3;
  constexpr int kRows = 300;
  TestTopic topic(kParts);
  KafkaProject project(topic);
  Minutes late;
  std::map<int32_t, int64_t> newest;
  std::map<int32_t, int64_t> clock;
  for (int row = 0; row < kRows; ++row) {
    const auto partition = static_cast<int32_t>(random() % kParts);
    int64_t& now = clock[partition];
    now += static_cast<int64_t>(random() % (random() % 10 == 0 ? 500 : 20));
    const int64_t minute = std::max<int64_t>(0, now - static_cast<int64_t>(random() % 90));
    topic.send(partition, event("u" + std::to_string(partition), minute));
    if (newest.contains(partition) && minute < newest[partition] - 60) {
      late["u" + std::to_string(partition)].push_back(minute);
    }
    newest[partition] = std::max(newest[partition], minute);
    if (random() % 60 == 0) {
      topic.flush();
      RunOptions options;
      options.epoch_rows = 1 + static_cast<int64_t>(random() % 30);
      ASSERT_TRUE(project.run(options).ok());
    }
    if (random() % 60 == 0) {
      topic.flush();
      RunningUp up(project, {static_cast<int64_t>(random() % 2) * 1'000});
      up.wait_until_ready();
      ASSERT_TRUE(up.stop().ok());
    }
  }
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events"), kRows);
  EXPECT_EQ(minutes_of(project, "silver/clean_late"), late);
  EXPECT_EQ(project.verify().differ, 0);
}

/// Before which no row of silver comes any more.
EventTime frontier_of(TestProject& project) {
  const auto workspace = project.open();
  lake::DeltaTable* const table = *workspace->table(*workspace->silver_table_key("clean"));
  return *workspace->frontier("clean", **table->snapshot());
}

EventTime minute_less_an_hour(int64_t minute) {
  return {parse_time("2026-01-01")->micros + (minute - 60) * 60 * kMicrosPerSecond};
}

TEST(Late, RowsOfAPartitionThatWasIdleAreByTheOthers) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change(kTopics, kSoonIdle);
  constexpr int64_t kMinute = 1'000;
  constexpr int64_t kLater = 1'300;
  {
    RunningUp up(project, kFlushEvery);
    send(topic, 0, {kMinute});
    send(topic, 1, {kMinute});
    up.wait_for_records(topic.sent());
    while (frontier_of(project) < minute_less_an_hour(kLater)) {
      send(topic, 0, {kLater});
      up.wait_for_records(topic.sent());
    }
    send(topic, 1, {kMinute + 1, kLater - 60});  // the first is before what gold has as final
    up.wait_for_records(topic.sent());
    ASSERT_TRUE(up.stop().ok());
  }
  EXPECT_EQ(minutes_of(project, "silver/clean_late"), (Minutes{{"u1", {kMinute + 1}}}));
  EXPECT_EQ(project.verify().differ, 0);
}

TEST(Late, APartitionIsIdleAlsoWhereNothingButRunsReadsIt) {
  TestTopic topic(3);
  KafkaProject project(topic);
  project.change(kTopics, kSoonIdle);
  send(topic, 0, {1'000});
  send(topic, 1, {1'000});  // and nothing was ever in the third
  int64_t minute = 1'000;
  do {
    send(topic, 0, {++minute});
    ASSERT_TRUE(project.run().ok());
  } while (frontier_of(project) < minute_less_an_hour(1'001));
  EXPECT_EQ(project.count("silver/clean"), topic.sent());
}

TEST(Late, AClockThatIsAheadMakesNothingLateAndMovesNothing) {
  TestTopic topic(2);
  KafkaProject project(topic);
  constexpr int64_t kTenYears = 10LL * 365 * 24 * 60;
  for (int64_t minute = 1'000; minute < 1'004; ++minute) {
    send(topic, 0, {minute, minute + kTenYears});
    send(topic, 1, {minute - 300});
    ASSERT_TRUE(project.run().ok());
    EXPECT_EQ(frontier_of(project), minute_less_an_hour(minute - 300));
  }
  EXPECT_EQ(project.count("silver/clean"), 8);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 4);
}

TEST(Late, OnePartitionIsAsOneFile) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  TestTopic topic(1);
  KafkaProject project(topic);
  TestProject files;
  files.change("{path: data, format: csv}", "{path: lines, format: json}");
  for (TestProject* each : {static_cast<TestProject*>(&project), &files}) {
    each->change("ts AS event_time FROM events",
                 "ts - to_minutes(CAST(amount AS BIGINT) % 50) AS event_time FROM events "
                 "WHERE CAST(amount AS BIGINT) % 7 <> 3");
  }
  std::string lines;
  int64_t now = 1'000;
  for (int row = 0; row < 200; ++row) {
    now += static_cast<int64_t>(random() % 30);
    const std::string line =
        event("u" + std::to_string(random() % 3), now - static_cast<int64_t>(random() % 200));
    topic.send(0, line);
    lines += line + "\n";
    if (random() % 40 == 0) {
      topic.flush();
      ASSERT_TRUE(project.run().ok());
    }
  }
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  files.write("lines/events.jsonl", lines);
  ASSERT_TRUE(files.run().ok());
  EXPECT_FALSE(minutes_of(files, "silver/clean_late").empty());
  EXPECT_EQ(minutes_of(project, "silver/clean_late"), minutes_of(files, "silver/clean_late"));
  EXPECT_EQ(minutes_of(project, "silver/clean"), minutes_of(files, "silver/clean"));
  EXPECT_EQ(project.steps_hash(), files.steps_hash());
}

/// A run that is killed behind its late rows, and a compaction and vacuum before silver is tried
/// again: then all of bronze is judged at once.
TEST(Late, RowsThatACrashLeftAreThereOnceAlsoWhereSilverTakesBronzeAsAWhole) {
  TestProject project;
  project.change("allowed_lateness: 1h", "allowed_lateness: 20m");
  RunOptions small;
  small.epoch_rows = 100;
  ASSERT_TRUE(project.run(small).ok());
  const int64_t late = project.count("silver/clean_late");
  const int64_t rows = project.count("silver/clean");
  ASSERT_GT(late, 0);
  std::filesystem::remove_all(project.folder() + "/lake/silver/clean");
  {
    const auto workspace = project.open();
    lake::DeltaTable& bronze = **workspace->table(*workspace->bronze_table_key("events"));
    const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
    ASSERT_TRUE(lake::compact(access, bronze, {}).ok());
    ASSERT_TRUE(lake::vacuum(access, bronze, {.keep = Duration{0}}).ok());
  }
  ASSERT_TRUE(run_silver_stage(*project.open(), "clean", {}).ok());
  EXPECT_EQ(project.count("silver/clean"), rows);
  EXPECT_EQ(project.count("silver/clean_late"), late);
}

}  // namespace
}  // namespace assay::flow
