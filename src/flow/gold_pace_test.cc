#include "flow/gold_pace.h"

#include <gtest/gtest.h>

#include "flow/run.h"
#include "flow/test_project.h"

namespace assay::flow {
namespace {

constexpr Duration at(int64_t seconds) {
  return {seconds * kMicrosPerSecond};
}

TEST(GoldPace, WhatTookLongWaitsThreeTimesAsLong) {
  GoldPace pace(at(1));
  EXPECT_TRUE(pace.takes("slow", at(100)));
  EXPECT_TRUE(pace.takes("quick", at(100)));
  EXPECT_FALSE(pace.owes(at(1'000)));  // nothing had to wait
  pace.note("slow", at(100), at(110));
  pace.note("quick", at(110), {at(110).micros + kMicrosPerSecond / 2});
  EXPECT_TRUE(pace.takes("quick", at(111)));
  EXPECT_FALSE(pace.takes("slow", at(111)));
  EXPECT_FALSE(pace.owes(at(139)));
  EXPECT_TRUE(pace.owes(at(140)));
  EXPECT_TRUE(pace.takes("slow", at(140)));
  EXPECT_FALSE(pace.owes(at(140)));
}

TEST(GoldPace, GoldThatWaitedIsMadeWhenItIsItsTurn) {
  TestProject project;
  TestProject whole;
  ASSERT_TRUE(project.run().ok());
  const std::string late = "user_id,amount,ts\nu1,2.5,2026-01-07T10:00:00Z\n";
  project.write("data/day-9.csv", late);
  whole.write("data/day-9.csv", late);
  const auto workspace = project.open();
  Clock& clock = workspace->world().clock;
  GoldPace pace({0});
  const Duration now = clock.monotonic();
  pace.note("spend", {now.micros - at(3'600).micros}, now);
  RunOptions options;
  options.gold_pace = &pace;
  RunReport report;
  ASSERT_TRUE(run_steps(*workspace, options, Steps::kAll, &report).ok());
  EXPECT_TRUE(std::none_of(report.stages.begin(), report.stages.end(), [](const auto& stage) {
    return stage.stage == "gold" && stage.name == "spend";
  }));
  EXPECT_TRUE(pace.owes({now.micros + at(4 * 3'600).micros}));
  pace.note("spend", now, now);
  ASSERT_TRUE(run_steps(*workspace, options, Steps::kAll, &report).ok());
  ASSERT_TRUE(whole.run().ok());
  EXPECT_EQ(project.steps_hash(), whole.steps_hash());
  EXPECT_EQ(project.online_hash(), whole.online_hash());
}

}  // namespace
}  // namespace assay::flow
