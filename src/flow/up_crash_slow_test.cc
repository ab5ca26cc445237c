// Hundreds of kills of `assay up` at random moments, and as many at fail points, several lines
// after one another; ASSAY_UP_KILLS sets how many at random moments.

#include <array>
#include <cstdio>
#include <map>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "flow/up_crash.h"

namespace assay::flow {
namespace {

constexpr std::array kPoints{"files.step",
                             "lake.write.before_sync",
                             "lake.commit.before_put",
                             "lake.commit.after_put",
                             "lake.checkpoint.before_put",
                             "lake.checkpoint.before_hint",
                             "online.apply.before_commit",
                             "online.log.before_sync",
                             "online.log.after_sync",
                             "online.log.publishing",
                             "online.log.shown",
                             "online.apply.after_commit",
                             "flow.online.before_apply",
                             "flow.reads.after_journal",
                             "flow.reads.after_apply",
                             "flow.reads.before_remove",
                             "flow.bronze.between_commits",
                             "flow.bronze.after_commit",
                             "flow.silver.between_commits",
                             "flow.silver.after_commit",
                             "flow.gold.before_commit"};
/// Those that a line without a lake passes.
constexpr std::array kDirectPoints{"files.step",
                                   "lake.commit.before_put",
                                   "lake.commit.after_put",
                                   "online.apply.before_commit",
                                   "online.apply.after_commit",
                                   "flow.reads.after_journal",
                                   "flow.reads.after_apply",
                                   "flow.reads.before_remove",
                                   "flow.bronze.after_commit",
                                   "flow.silver.after_commit"};
constexpr int kKillsOfALine = 20;
constexpr uint64_t kSeed = 80;

/// The process that is killed: this test alone, in another process of this program.
TEST(UpCrash, Child) {
  run_as_child();
}

class CrashedLine : public CrashedUp {
 public:
  CrashedLine() : CrashedUp(2, true, kOneStore, kSomeLate) {}
};

class CrashedDirect : public CrashedUp {
 public:
  CrashedDirect() : CrashedUp(2, false, kOneStore, kSomeLate) {}
};

/// So many kills of lines at random moments, and as many at these points in turn, each of which
/// must have been reached.
template <typename Line>
void kill_often(int kills, std::span<const char* const> points) {
  const auto random = seeded_random(kSeed);
  int at_moments = 0;
  std::map<std::string, int> at_points;  // 0: it was never reached
  std::size_t next_point = 0;
  bool is_at_moment = false;
  end_many_times<Line>(2 * kills, kKillsOfALine, kSeed, [&](Line& line) {
    is_at_moment = !is_at_moment;
    if (is_at_moment) {
      line.kill_after(random->below(500'000));
      ++at_moments;
      return;
    }
    const std::string point = points[next_point++ % points.size()];
    const bool is_rare = point.starts_with("lake.checkpoint.");
    const uint64_t passes = point == "files.step" ? 60 : is_rare ? 1 : 4;
    const bool is_reached = line.kill_at(point + ":" + std::to_string(1 + random->below(passes)));
    at_points[point] += is_reached ? 1 : 0;
  });
  std::printf("%d kills at random moments", at_moments);
  for (const auto& [point, count] : at_points) {
    std::printf(", %d at %s", count, point.c_str());
    EXPECT_TRUE(count > 0 || kills < 5 * std::ssize(points)) << point << " was never reached";
  }
  std::printf("\n");
  testing::Test::RecordProperty("kills", kills);
}

TEST(UpCrash, HundredsOfTimes) {
  kill_often<CrashedLine>(wanted_ends("ASSAY_UP_KILLS", 500), kPoints);
}

TEST(UpCrash, WithoutALakeToo) {
  kill_often<CrashedDirect>(wanted_ends("ASSAY_UP_KILLS", 100), kDirectPoints);
}

}  // namespace
}  // namespace assay::flow
