// `assay up` in a process of its own, killed at fail points and at random moments while events come
// in; up_crash_slow_test.cc has the others. What is there in the end is what an undisturbed run
// gives.

#include "flow/up_crash.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::flow {
namespace {

/// The process that is killed: this test alone, in another process of this program.
TEST(UpCrash, Child) {
  run_as_child();
}

TEST(UpCrash, AtFailPointsOfTheFastPath) {
  CrashedUp line(2, true, kOneStore, kSomeLate);
  for (const char* point : {"flow.reads.after_journal:2",
                            "online.apply.before_commit:3",
                            "flow.reads.after_apply:2",
                            "flow.bronze.after_commit:2",
                            "flow.silver.between_commits:2",
                            "flow.reads.before_remove:1"}) {
    line.kill_at(point);
  }
  line.expect_as_undisturbed();
}

TEST(UpCrash, AtRandomMoments) {
  CrashedUp line(2, true, kOneStore, kSomeLate);
  for (uint64_t round = 0; round < 2; ++round) {
    line.kill_after(seeded_random(round)->below(600'000));
  }
  line.expect_as_undisturbed();
}

}  // namespace
}  // namespace assay::flow
