// Processes that share a topic come, leave and are killed at random, many times;
// ASSAY_SHARE_ENDS sets how often one ends.

#include <array>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "flow/shared_crash.h"

namespace assay::flow {
namespace {

constexpr std::array kPoints{"lake.write.before_sync",
                             "lake.commit.before_put",
                             "lake.commit.after_put",
                             "online.apply.before_commit",
                             "flow.bronze.between_commits",
                             "flow.bronze.after_commit",
                             "flow.silver.between_commits",
                             "flow.silver.after_commit",
                             "flow.gold.before_commit",
                             "flow.share.before_take",
                             "flow.share.between_takings",
                             "flow.share.before_give_up"};
constexpr int kEndsOfALine = 12;
constexpr std::size_t kRunningMax = 3;
constexpr uint64_t kSeed = 130;

TEST(SharedUpSlow, ComeLeaveAndAreKilled) {
  const int ends = wanted_ends("ASSAY_SHARE_ENDS", 60);
  const auto random = seeded_random(kSeed);
  int killed = 0;
  int left = 0;
  int read = 0;
  end_many_times<CrashedShares>(ends, kEndsOfALine, kSeed, [&](CrashedShares& shares) {
    for (bool has_ended = false; !has_ended;) {
      if (shares.running() < kRunningMax && random->below(2) == 0) {
        const bool at_point = random->below(2) == 0;
        shares.start_one(at_point ? std::string(kPoints[random->below(kPoints.size())]) + ":" +
                                        std::to_string(1 + random->below(4))
                                  : "");
      } else if (shares.running() > 0 && random->below(2) == 0) {
        const bool leaves = random->below(3) == 0;
        shares.end_one(random->below(shares.running()), leaves ? SIGTERM : SIGKILL);
        ++(leaves ? left : killed);
        has_ended = true;
      }
      if (shares.has_lasting() && random->below(2) == 0) {
        shares.send_until_read();
        ++read;
      }
      shares.send_for(random->below(1'000'000));
    }
  });
  std::printf("%d killed, %d left; %d times rows came to bronze in between\n", killed, left, read);
  RecordProperty("ends", ends);
}

}  // namespace
}  // namespace assay::flow
