#include "flow/gold_pace.h"

#include <algorithm>

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
  EXPECT_TRUE(pace.takes(at(100)));
  EXPECT_FALSE(pace.owes(at(1'000))) << "nothing had to wait";
  pace.note(at(100), at(110));
  EXPECT_FALSE(pace.takes(at(111)));
  EXPECT_TRUE(pace.is_owed());
  EXPECT_FALSE(pace.owes(at(139)));
  EXPECT_TRUE(pace.owes(at(140)));
  EXPECT_TRUE(pace.takes(at(140)));
  EXPECT_FALSE(pace.is_owed());
  pace.note(at(140), {at(140).micros + kMicrosPerSecond / 2});
  EXPECT_TRUE(pace.takes(at(141))) << "nobody notices";
  pace.note(at(141), at(150));
  EXPECT_FALSE(pace.takes(at(151)));
  pace.catch_up();
  EXPECT_FALSE(pace.owes(at(1'000)));
}

/// New rows of a project, and its stages with gold that has to wait.
Status run_without_gold(Workspace& workspace, GoldPace* pace) {
  const Duration now = workspace.world().clock.monotonic();
  pace->note({now.micros - at(3'600).micros}, now);
  RunOptions options;
  options.gold_pace = pace;
  RunReport report;
  ASSAY_RETURN_IF_ERROR(run_steps(workspace, options, Steps::kAll, &report));
  EXPECT_TRUE(std::none_of(report.stages.begin(), report.stages.end(), [](const auto& stage) {
    return stage.stage == "gold";
  }));
  EXPECT_TRUE(pace->owes({now.micros + at(4 * 3'600).micros}));
  return {};
}

TEST(GoldPace, GoldThatWaitedIsMadeWhenItIsItsTurn) {
  TestProject project;
  TestProject whole;
  ASSERT_TRUE(project.run().ok());
  const std::string late = "user_id,amount,ts\nu1,2.5,2026-01-07T10:00:00Z\n";
  project.write("data/day-9.csv", late);
  whole.write("data/day-9.csv", late);
  ASSERT_TRUE(whole.run().ok());
  const auto workspace = project.open();
  GoldPace pace({0});
  ASSERT_TRUE(run_without_gold(*workspace, &pace).ok());
  EXPECT_EQ(project.online_hash(), whole.online_hash()) << "who is served does not wait";
  EXPECT_NE(project.steps_hash(), whole.steps_hash());
  RunOptions options;
  GoldPace turn({0});
  options.gold_pace = &turn;
  RunReport report;
  ASSERT_TRUE(run_steps(*workspace, options, Steps::kAll, &report).ok());
  EXPECT_FALSE(turn.is_owed());
  EXPECT_EQ(project.steps_hash(), whole.steps_hash());
}

}  // namespace
}  // namespace assay::flow
