// Processes that die before a request to S3: the matrix, thinned out. crash_on_s3_slow_test.cc
// takes every request.

#include "lake/crash_on_s3.h"

#include <gtest/gtest.h>

namespace assay::lake {
namespace {

TEST(CrashOnS3, ATableStandsBetweenTwoStepsWhereverTheProcessDies) {
  CrashOnS3 crash;
  const auto random = seeded_random(5);
  int killed = 0;
  for (int round = 0; round < 8; ++round) {
    const auto dies_at = static_cast<int64_t>(1 + random->below(60));
    const auto end = crash.in_process(dies_at, [](LakeInBucket& lake, DeltaTable& table) -> Status {
      ASSAY_RETURN_IF_ERROR(CrashOnS3::step(lake, table));
      ASSAY_RETURN_IF_ERROR(CrashOnS3::step(lake, table));
      return CrashOnS3::upkeep(lake, table);
    });
    ASSERT_NE(end, CrashOnS3::End::kFailed) << "round " << round << ", request " << dies_at;
    killed += end == CrashOnS3::End::kKilled ? 1 : 0;
    ASSERT_EQ(crash.verify(), CrashOnS3::End::kCame) << "round " << round;
  }
  EXPECT_GT(killed, 2);
}

}  // namespace
}  // namespace assay::lake
