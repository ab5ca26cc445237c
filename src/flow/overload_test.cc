// More events than a slow sink takes: what is held in memory is bounded, reading pauses and the lag
// grows; when the sink is quick again the lag goes to zero, and everything is as from files.

#include <string>

#include <gtest/gtest.h>

#include "base/arm_fail_point.h"
#include "flow/running_up.h"
#include "flow/shared_up.h"

namespace assay::flow {
namespace {

constexpr int kEvents = 120'000;
constexpr int kSome = 500;
constexpr int64_t kTaken = 20'000;  // records that a line takes at once, at most
constexpr std::size_t kEventBytes = 64;  // at least, as JSON
constexpr char kLag[] = "assay_flow_source_lag_records";
constexpr char kRead[] = "assay_flow_records_read_total";
const MetricLabels kEventsTable = {{"name", "events"}};

/// Events of many users; with amounts that add up exactly.
std::string many_events() {
  const auto random = seeded_random(13);
  std::string text = "user_id,amount,ts\n";
  for (int i = 0; i < kEvents; ++i) {
    text += "u" + std::to_string(random->below(900)) + "," + std::to_string(random->below(1'000)) +
            ".25," + format_time({parse_time("2026-01-01")->micros + i * kMicrosPerSecond}) + "\n";
  }
  return text;
}

class Overload : public testing::Test {
 protected:
  Overload() : topic_(2), project_(topic_) {
    project_.change("topics: events}", "topics: events, queue_max: 100KB}");
  }
  ~Overload() override { slow_down_at("online.apply.before_commit", 0); }

  void expect_as_from_files() {
    TestProject files;
    for (int day = 1; day <= 6; ++day) {
      files.write("data/day-" + std::to_string(day) + ".csv", "user_id,amount,ts\n");
    }
    files.write("data/many.csv", many_events());
    ASSERT_TRUE(files.run().ok());
    EXPECT_EQ(project_.count("bronze/events"), kEvents);
    EXPECT_EQ(project_.count("silver/clean"), files.count("silver/clean"));
    EXPECT_EQ(project_.steps_hash(), files.steps_hash());
    EXPECT_EQ(project_.online_hash(), files.online_hash());
  }
  /// What was taken so far.
  static int64_t read(RunningUp& up) {
    return up.metrics().counter(kRead, "", kEventsTable).value();
  }

  TestTopic topic_;
  KafkaProject project_;
};

TEST_F(Overload, ASlowOnlineStoreHoldsUpReadingAndLosesNothing) {
  slow_down_at("online.apply.before_commit", 1'000);
  RunningUp up(project_, {200'000});
  up.wait_until_ready();
  topic_.send_csv(many_events());
  up.wait_for_gauge_above(kLag, kEvents / 10, kEventsTable);
  slow_down_at("online.apply.before_commit", 0);
  up.wait_for_records(kEvents);
  up.wait_for_gauge(kLag, 0, kEventsTable);
  ASSERT_TRUE(up.stop().ok());
  expect_as_from_files();
}

TEST_F(Overload, ALakeThatTakesNothingHoldsUpReadingAtTheBound) {
  constexpr std::size_t kFlushBytes = 200'000;
  // An epoch on its way, the next one, what is fetched ahead, and what one read takes over it.
  constexpr auto kReadMax =
      static_cast<int64_t>((2 * kFlushBytes + 2 * 100'000) / kEventBytes) + 2 * kTaken;
  static_assert(kReadMax < kEvents / 2);
  RunningUp up(project_, {100'000}, run_up, {10'000}, {300'000}, kFlushBytes);
  up.wait_until_ready();
  up.files().is_held = true;
  topic_.send_csv(many_events());
  up.wait_for_gauge_above(kLag, kEvents - kReadMax - 1, kEventsTable);
  pause_for({1 * kMicrosPerSecond});  // who did not stop reads all of it in that time
  EXPECT_LE(read(up), kReadMax);
  up.files().is_held = false;
  up.wait_for_records(kEvents);
  up.wait_for_gauge(kLag, 0, kEventsTable);
  ASSERT_TRUE(up.stop().ok());
  expect_as_from_files();
}

TEST_F(Overload, ProcessesThatShareReadNoFurtherThanTheLakeTakes) {
  constexpr std::size_t kFlushBytes = 200'000;
  constexpr auto kReadMax =
      static_cast<int64_t>((kFlushBytes + 2 * 100'000) / kEventBytes) + 2 * kTaken;
  const std::string text = many_events();
  std::size_t some = 0;
  for (int lines = 0; lines <= kSome; ++lines) {
    some = text.find('\n', some) + 1;
  }
  RunningUp up(project_, {100'000}, run_shared_up, {10'000}, {300'000}, kFlushBytes);
  topic_.send_csv(text.substr(0, some));
  up.wait_for_records(kSome);  // it has partitions
  up.files().is_held = true;
  topic_.send_csv("header\n" + text.substr(some));
  up.wait_until(
      "reading", [&] { return read(up); }, [](int64_t seen) { return seen > kSome; });
  pause_for({1 * kMicrosPerSecond});
  EXPECT_LE(read(up), kSome + kReadMax);
  up.files().is_held = false;
  up.wait_for_records(kEvents);
  up.wait_for_gauge(kLag, 0, kEventsTable);
  ASSERT_TRUE(up.stop().ok());
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files();
}

}  // namespace
}  // namespace assay::flow
