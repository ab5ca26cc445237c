// The line into an online store of several parts, cut off between two of them.

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/test_project.h"
#include "flow/up_crash.h"

namespace assay::flow {
namespace {

constexpr char kShards[] = "\"sharded:./online_a,./online_b,./online_c\"";

class ShardedProject : public TestProject {
 public:
  ShardedProject() {
    std::string settings = kAssay;
    settings.replace(settings.find(kOneStore), sizeof(kOneStore) - 1, kShards);
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

/// `assay up`, killed when some parts have a read that the others have not.
void kill_between_parts(bool has_lake) {
  CrashedUp line(2, has_lake, kShards);
  for (const char* point : {"online.apply.next_shard:1",
                            "online.apply.next_shard:2",
                            "online.apply.next_shard:9",
                            "online.apply.before_commit:5",
                            "online.apply.next_shard:4"}) {
    EXPECT_TRUE(line.kill_at(point)) << point;
  }
  line.kill_after(200'000);
  line.expect_as_undisturbed();
}

TEST(Sharded, UpIsKilledBetweenTwoParts) {
  kill_between_parts(true);
}

TEST(Sharded, WithoutALakeToo) {
  kill_between_parts(false);
}

}  // namespace
}  // namespace assay::flow
