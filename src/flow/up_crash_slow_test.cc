// Hundreds of kills of `assay up`, at fail points and at random moments, several lines after one
// another; ASSAY_UP_KILLS sets how many.

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>

#include "flow/up_crash.h"

namespace assay::flow {
namespace {

constexpr std::array kPoints{"files.step",
                             "lake.write.before_sync",
                             "lake.commit.before_put",
                             "lake.commit.after_put",
                             "online.apply.before_commit",
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
constexpr int kKillsOfALine = 20;

/// The process that is killed: this test alone, in another process of this program.
TEST(UpCrash, Child) {
  run_as_child();
}

TEST(UpCrash, HundredsOfTimes) {
  const char* wanted = std::getenv("ASSAY_UP_KILLS");
  const int kills = wanted == nullptr ? 200 : std::atoi(wanted);
  constexpr uint64_t kSeed = 80;
  const auto random = seeded_random(kSeed);
  int done = 0;
  while (done < kills) {
    CrashedUp line;
    for (int i = 0; i < kKillsOfALine && done < kills; ++i, ++done) {
      if (i % 2 == 0) {
        line.kill_after(random->below(500'000));
      } else {
        const std::string point = kPoints[random->below(kPoints.size())];
        const uint64_t passes = point == "files.step" ? 60 : 4;
        line.kill_at(point + ":" + std::to_string(1 + random->below(passes)));
      }
    }
    line.expect_as_undisturbed();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << kSeed << ", before kill " << done;
  }
  RecordProperty("kills", done);
}

}  // namespace
}  // namespace assay::flow
