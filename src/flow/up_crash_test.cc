// `assay up` in a process of its own, killed at each fail point and at random moments while events
// come in. What is there in the end is what an undisturbed run gives.

#include "flow/up_crash.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flow/running_up.h"

namespace assay::flow {
namespace {

/// The process that is killed: this test alone, in another process of this program.
TEST(UpCrash, Child) {
  run_as_child();
}

TEST(UpCrash, AtEachFailPoint) {
  CrashedUp line;
  for (const char* point : {"flow.reads.after_journal:2",
                            "flow.online.before_apply:2",
                            "online.apply.before_commit:3",
                            "flow.reads.after_apply:2",
                            "flow.bronze.between_commits:2",
                            "flow.bronze.after_commit:2",
                            "flow.reads.before_remove:1",
                            "flow.silver.after_commit:2",
                            "flow.gold.before_commit:2"}) {
    line.kill_at(point);
  }
  line.expect_as_undisturbed();
}

TEST(UpCrash, AtRandomMoments) {
  CrashedUp line;
  for (uint64_t round = 0; round < 3; ++round) {
    line.kill_after(seeded_random(round)->below(600'000));
  }
  line.expect_as_undisturbed();
}

}  // namespace
}  // namespace assay::flow
