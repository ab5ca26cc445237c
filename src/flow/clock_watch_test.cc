// The machine's clock says when a record was read. Where it is wrong, that is told; and what was
// decided by it once stands when a read is made again.

#include "flow/clock_watch.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/line_log.h"
#include "base/unsynced_files.h"
#include "flow/kafka_line.h"
#include "flow/running_up.h"

namespace assay::flow {
namespace {

constexpr int64_t kHour = 3600 * kMicrosPerSecond;

/// A clock whose wall time is set apart from the time that passes.
class SetClock : public Clock {
 public:
  EventTime now() override { return {wall.micros + passed.micros}; }
  Duration monotonic() override { return passed; }

  EventTime wall = *parse_time("2026-01-03");
  Duration passed;
};

/// The machine, but for its clock.
class WorldOfClock {
 public:
  [[nodiscard]] World& world() { return world_; }
  /// Times that a log line of this name was written.
  [[nodiscard]] int count(const std::string& name) const {
    const std::string text = said_.text();
    int lines = 0;
    for (std::size_t at = 0; (at = text.find('"' + name + '"', at)) != std::string::npos; ++at) {
      ++lines;
    }
    return lines;
  }
  [[nodiscard]] std::string text() const { return said_.text(); }
  std::unique_ptr<Workspace> open(const TestProject& project) {
    return *Workspace::open(world_, project.folder(), {});
  }

  SetClock clock;

 private:
  UnsyncedWorld system_;
  LastLines said_;
  std::unique_ptr<Log> log_ =
      line_log(clock, LogLevel::kError, [this](const std::string& line) { said_.add(line); });
  World world_{
      clock, system_.world().files, system_.world().random, *log_, system_.world().metrics};
};

TEST(ClockWatch, AClockThatIsSetIsToldOf) {
  WorldOfClock machine;
  ClockWatch watch(machine.world(), "events");
  const auto jumps = [&] {
    return machine.world()
        .metrics.counter("assay_flow_clock_jumps_total", "", {{"name", "events"}})
        .value();
  };
  machine.clock.wall = *parse_time("2036-01-01");
  watch.look();  // it knows no other time
  for (int day = 0; day < 3; ++day) {
    machine.clock.passed.micros += 24 * kHour;
    machine.clock.wall.micros += kMicrosPerSecond;
    watch.look();
  }
  EXPECT_EQ(jumps(), 0);
  machine.clock.wall = *parse_time("2026-01-01");
  watch.look();
  watch.look();
  EXPECT_EQ(jumps(), 1);
  machine.clock.wall.micros += kHour;
  watch.look();
  EXPECT_EQ(jumps(), 2);
  EXPECT_EQ(machine.count("clock_was_set"), 2);
  EXPECT_NE(machine.text().find("\"seconds\":3600"), std::string::npos) << machine.text();
}

TEST(ClockWatch, AClockThatStandsWasNotSet) {
  WorldOfClock machine;
  ClockWatch watch(machine.world(), "events");
  for (int hour = 0; hour < 3; ++hour) {  // as under ASSAY_NOW
    watch.look();
    machine.clock.passed.micros += kHour;
    machine.clock.wall.micros -= kHour;
  }
  EXPECT_EQ(machine.count("clock_was_set"), 0) << machine.text();
}

TEST(ClockWatch, RowsThatWereReadUnderAClockThatWasAheadAreToldOf) {
  TestProject project;
  project.change("known_time: {delay: 20m}", "known_time: received");
  (void)project.open();
  WorldOfClock machine;
  const auto run = [&](const char* at, int day) {
    machine.clock.wall = *parse_time(at);
    project.write("data/more-" + std::to_string(day) + ".csv",
                  "user_id,amount,ts\nu1,1,2026-01-01 00:00:0" + std::to_string(day) + "\n");
    ASSERT_TRUE(run_all(*machine.open(project), {}).ok());
  };
  run("2026-02-01", 1);
  run("2036-01-01", 2);
  EXPECT_EQ(machine.count("rows_are_not_known_yet"), 0);
  run("2026-02-02", 3);
  EXPECT_EQ(machine.count("rows_are_not_known_yet"), 1) << machine.text();
  EXPECT_NE(machine.text().find("\"rows\":1,\"until\":\"2036-01-01"), std::string::npos)
      << machine.text();
  run("2036-01-02", 4);
  EXPECT_EQ(machine.count("rows_are_not_known_yet"), 1) << "by now they are known";
}

TEST(ClockWatch, WhatWasRefusedAsOfTheFutureStaysRefusedWhenTheReadIsMadeAgain) {
  TestTopic topic(1);
  KafkaProject project(topic);
  project.change("known_time: {delay: 20m}", "known_time: {column: seen}");
  project.change("ts: timestamp!}", "ts: timestamp!, seen: timestamp}");
  WorldOfClock machine;
  (void)project.open();
  const auto send = [&](const char* user, const char* seen) {
    topic.send(0,
               std::string(R"({"user_id":")") + user +
                   R"(","amount":1,"ts":"2026-01-02 23:00:00",)" + R"("seen":")" + seen + "\"}");
    topic.flush();
  };
  send("u1", "2026-01-02 23:00:00");
  ASSERT_TRUE(run_all(*machine.open(project), {}).ok());
  {
    const auto workspace = machine.open(project);
    const auto line = *KafkaLine::open(*workspace, "events", {});
    StageAccount account;
    ASSERT_TRUE(line->recover(&account).ok());
    ASSERT_TRUE(line->begin_epoch().ok());
    ASSERT_EQ(line->fast_views(), 1);
    send("u2", "2026-01-03 00:06:00");  // a minute too much
    send("u2", "2026-01-03 00:04:00");
    wait_until(
        "two records",
        [&] {
          EXPECT_TRUE(line->take(10, {20'000}).ok());
          return line->pending_records();
        },
        [](int64_t taken) { return taken == 2; },
        {.look_every = {0}});
  }
  machine.clock.passed.micros += 24 * kHour;
  ASSERT_TRUE(run_all(*machine.open(project), {}).ok());
  EXPECT_EQ(project.count("bronze/events"), 2);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 1);
}

}  // namespace
}  // namespace assay::flow
