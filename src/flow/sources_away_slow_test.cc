// `assay up` over topics whose leaders are away, or fail, for long.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "flow/running_up.h"
#include "flow/shared_crash.h"
#include "flow/shared_up.h"
#include "flow/two_sources.h"

namespace assay::flow {
namespace {

constexpr Duration kFlushEvery{200'000};
constexpr Duration kNever{3600 * kMicrosPerSecond};

std::string event_of(const char* user, int64_t minute) {
  return std::string(R"({"user_id":")") + user + R"(","amount":1,"ts":")" +
         format_time({parse_time("2026-01-01")->micros + minute * 60 * kMicrosPerSecond}) + "\"}";
}

constexpr Duration kIdleTimeout{8 * kMicrosPerSecond};

/// A partition's leader alone is away for longer than the idle timeout, and what is sent to it then
/// is older than what the other partition has had meanwhile.
class SilentLeader {
 public:
  SilentLeader() {
    topic_.broker().give_soon();
    topic_.broker().set_leader("events", 0, 1);
    topic_.broker().set_leader("events", 1, 2);
    project_.change("topics: events}", "topics: events, idle_timeout: 8s}");
    project_.change("options: {", "options: {reconnect.backoff.max.ms: \"200\", ");
    forget_members_soon(project_);
    topic_.broker().set_coordinator(*project_.open()->sharing_group("events"), 1);
  }
  /// How long the partition gave nothing although its leader may have answered: what is silent for
  /// longer than the idle timeout then is idle by right.
  Duration follow(RunningUp::Run run) {
    RunningUp up(project_, kFlushEvery, run);
    send(0, kMinute);
    send(1, kMinute);
    wait_for_all();
    const Duration heard = now();
    send(1, kMinute);
    wait_for_all();
    topic_.broker().set_away(true, 2);
    up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "events"}});
    const Duration away = now();
    int64_t minute = kMinute;
    wait_until(
        "more than the idle timeout",
        [&] {
          send(0, minute += 200);
          wait_for_all();
          return now().micros - away.micros;
        },
        [](int64_t passed) { return passed > kIdleTimeout.micros + 2 * kMicrosPerSecond; },
        {.look_every = {100'000}});
    topic_.send(1, event_of("u1", kMinute + 1));  // waits for the leader
    topic_.send(1, event_of("u1", kMinute + 2));
    const Duration back = now();
    topic_.broker().set_away(false, 2);
    topic_.flush();
    wait_for_all();
    const Duration heard_again = now();
    EXPECT_TRUE(up.stop().ok());
    return {away.micros - heard.micros + heard_again.micros - back.micros};
  }
  void expect_no_row_is_late() {
    ASSERT_TRUE(project_.run().ok());
    EXPECT_EQ(project_.count("silver/clean"), topic_.sent());
    EXPECT_EQ(project_.verify().differ, 0);
  }

 private:
  static constexpr int64_t kMinute = 1'000;
  Duration now() { return system_.world().clock.monotonic(); }
  void send(int32_t partition, int64_t minute) {
    topic_.send(partition, event_of(partition == 0 ? "u0" : "u1", minute));
    topic_.flush();
  }
  void wait_for_all() { wait_for_rows(project_, "bronze/events", topic_.sent()); }

  SystemWorld system_{LogLevel::kError};
  TestTopic topic_{2, 2};
  KafkaProject project_{topic_};
};

void expect_no_row_of_a_silent_leader_is_late(RunningUp::Run run) {
  std::unique_ptr<SilentLeader> line;
  wait_until(
      "a machine that does what this takes in less than the idle timeout",
      [&] {
        line = std::make_unique<SilentLeader>();
        return line->follow(run).micros;
      },
      [](int64_t silent) { return silent < kIdleTimeout.micros; });
  line->expect_no_row_is_late();
}

TEST(SourcesAwaySlow, ASilentLeaderMakesNoPartitionIdle) {
  expect_no_row_of_a_silent_leader_is_late(run_up);
}

TEST(SourcesAwaySlow, NorWhereProcessesShareTheTopic) {
  expect_no_row_of_a_silent_leader_is_late(run_shared_up);
}

/// What the others have taken and not committed stays theirs.
TEST(SourcesAwaySlow, ALineThatFailsIsOpenedAnewByItself) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second, ", on_lost: skip");
  forget_members_soon(project);
  send_days(first, 1, 2);
  send_days(second, 1, 2);
  {
    RunningUp up(project, kFlushEvery);
    up.wait_until_ready();
    EXPECT_TRUE(up.stop().ok());
  }
  constexpr char kRead[] = "assay_flow_records_read_total";
  constexpr char kEvent[] = R"({"user_id":"u1","amount":7,"ts":"2026-01-06 12:00:00"})";
  const auto send = [](TestTopic& topic, std::string_view event) {
    topic.send(0, event);
    topic.flush();
  };
  RunningUp up(project, kNever, run_shared_up);
  send(first, kEvent);
  send(second, kEvent);
  up.wait_for_counter_above(kRead, 0, {{"name", "events"}});
  up.wait_for_counter_above(kRead, 0, {{"name", "more"}});
  // It is told that its records are gone, and not what is there instead.
  second.broker().fail_offsets(40);
  second.broker().fail_fetches_as_gone(1, 3);
  up.wait_for_counter_above("assay_flow_failures_total", 0, {{"of", "line"}});
  send(second, kEvent);
  up.wait_for_counter_above(kRead, 2, {{"name", "more"}});  // the first one again
  send(first, kEvent);
  up.wait_for_counter_above(kRead, 1, {{"name", "events"}});
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(up.metrics().counter(kRead, "", {{"name", "events"}}).value(), 2)
      << "what it had taken is not read again";
  EXPECT_EQ(project.count("bronze/events"), first.sent());
  EXPECT_EQ(project.count("bronze/more"), second.sent());
}

}  // namespace
}  // namespace assay::flow
