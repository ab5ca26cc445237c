// Power cuts at system calls of commits and upkeep: the matrix, thinned out. crash_slow_test.cc
// takes every call, and a thousand random ones.

#include <gtest/gtest.h>

#include "lake/crash_under_test.h"

namespace assay::lake {
namespace {

using End = CrashUnderTest::End;

TEST(Crash, TheStoryIsTheNaiveOneWithoutAnyCrash) {
  const CrashUnderTest crash;
  EXPECT_EQ(crash.in_process(0,
                             [](LakeUnderTest& lake) -> Status {
                               ASSAY_ASSIGN_OR_RETURN(const auto table, CrashUnderTest::open(lake));
                               for (int i = 0; i < 13; ++i) {
                                 ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
                                 ASSAY_RETURN_IF_ERROR(
                                     i % 4 == 3 ? CrashUnderTest::upkeep(lake, *table) : Status());
                               }
                               return CrashUnderTest::verify(lake);
                             }),
            End::kCame);
}

TEST(Crash, ATableStandsBetweenTwoStepsWhereverTheProcessDies) {
  const CrashUnderTest crash;
  const auto random = seeded_random(3);
  int killed = 0;
  for (int round = 0; round < 12; ++round) {
    const auto dies_at = static_cast<int64_t>(1 + random->below(90));
    const End end = crash.in_process(dies_at, [](LakeUnderTest& lake) -> Status {
      ASSAY_RETURN_IF_ERROR(CrashUnderTest::verify(lake));
      ASSAY_ASSIGN_OR_RETURN(const auto table, CrashUnderTest::open(lake));
      ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
      ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
      return CrashUnderTest::upkeep(lake, *table);
    });
    ASSERT_NE(end, End::kFailed) << "round " << round << ", call " << dies_at;
    killed += end == End::kKilled ? 1 : 0;
  }
  EXPECT_GT(killed, 3);
  EXPECT_EQ(crash.in_process(0, CrashUnderTest::verify), End::kCame);
}

/// Where a table is written and kept up; each of these places is passed by a step of the story or
/// by the upkeep behind it.
TEST(Crash, ATableStandsBetweenTwoStepsAtEachNamedPlace) {
  const CrashUnderTest crash;
  const auto work = [](LakeUnderTest& lake) -> Status {
    ASSAY_RETURN_IF_ERROR(CrashUnderTest::verify(lake));
    ASSAY_ASSIGN_OR_RETURN(const auto table, CrashUnderTest::open(lake));
    for (int step = 0; step < 4; ++step) {  // an append, a merge and a delete are among four
      ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
    }
    return CrashUnderTest::upkeep(lake, *table);
  };
  ASSERT_EQ(crash.in_process(0, work), End::kCame);
  for (const char* place : {"lake.write.before_sync",
                            "lake.commit.before_put",
                            "lake.commit.after_put",
                            "lake.rewrite.before_commit",
                            "lake.compact.before_write",
                            "lake.compact.before_commit",
                            "lake.checkpoint.before_put",
                            "lake.checkpoint.before_hint",
                            "lake.clean_log.after_remove",
                            "lake.vacuum.after_remove"}) {
    const auto at_place = [&] {
      LakeUnderTest lake(crash.folder());
      lake.clock().advance({1'000 * kMicrosPerDay});
      return work(lake);
    };
    EXPECT_EQ(CrashUnderTest::in_process_that_dies(place, 1, at_place), End::kKilled) << place;
    ASSERT_EQ(crash.in_process(0, work), End::kCame) << place;
  }
}

}  // namespace
}  // namespace assay::lake
