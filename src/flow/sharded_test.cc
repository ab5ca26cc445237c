// The line into an online store of several parts, cut off between two of them.

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/test_project.h"

namespace assay::flow {
namespace {

class ShardedProject : public TestProject {
 public:
  ShardedProject() {
    std::string settings = kAssay;
    const std::string before = "embedded:./online";
    settings.replace(
        settings.find(before), before.size(), "\"sharded:./online_a,./online_b,./online_c\"");
    write("assay.yaml", settings);
  }
  void add_day(int day) { write("data/day-" + std::to_string(day) + ".csv", events_of_day(day)); }
  /// What a part holds now, to be put back later: as if what came since had never reached it.
  void keep(const std::string& part) {
    std::filesystem::remove_all(at("kept_" + part));
    std::filesystem::copy(at(part), at("kept_" + part), std::filesystem::copy_options::recursive);
  }
  void put_back(const std::string& part) {
    std::filesystem::remove_all(at(part));
    std::filesystem::copy(at("kept_" + part), at(part), std::filesystem::copy_options::recursive);
  }

 private:
  [[nodiscard]] std::filesystem::path at(const std::string& name) const {
    return std::filesystem::path(folder()) / name;
  }
};

/// What is served is what the steps say.
void expect_verified(ShardedProject& project) {
  const auto workspace = project.open();
  const Result<VerifyReport> report = verify_service(*workspace, "v1", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_GT(report->live_values, 0);
  EXPECT_EQ(report->differ, 0);
}

TEST(Sharded, WhatIsServedIsWhatTheStepsSay) {
  ShardedProject project;
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const Result<VerifyReport> report = verify_service(*workspace, "v1", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_GT(report->live_values, 0);
  EXPECT_EQ(report->differ, 0);
}

TEST(Sharded, AnApplyThatWasCutOffIsFinishedBeforeTheNext) {
  for (const std::vector<std::string>& behind :
       {std::vector<std::string>{"online_b", "online_c"}, {"online_c"}}) {
    ShardedProject project;
    ASSERT_TRUE(project.run().ok());
    for (const std::string& part : behind) {
      project.keep(part);
    }
    project.add_day(7);
    ASSERT_TRUE(project.run().ok());
    for (const std::string& part : behind) {
      project.put_back(part);
    }
    project.add_day(8);  // the next versions are another group than the one that was cut off
    const Result<RunReport> report = project.run();
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    expect_verified(project);
  }
}

TEST(Sharded, PartsThatLostSomethingAreFilledAnew) {
  for (const std::string lost : {"online_a", "online_b"}) {
    ShardedProject project;
    ASSERT_TRUE(project.run().ok());
    project.keep(lost);
    project.add_day(7);
    ASSERT_TRUE(project.run().ok());
    project.put_back(lost);
    const Result<RunReport> report = project.run();
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    expect_verified(project);
  }
}

}  // namespace
}  // namespace assay::flow
