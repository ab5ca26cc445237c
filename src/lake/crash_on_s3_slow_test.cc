// Processes that die before every request of every kind of work on S3.

#include <gtest/gtest.h>

#include "lake/crash_on_s3.h"

namespace assay::lake {
namespace {

using End = CrashOnS3::End;

struct Work {
  const char* name;
  int64_t steps_before;  // of the story
  CrashOnS3::Work work;
};

LakeAccess access(LakeInBucket& lake) {
  return {lake.world(), lake.store(), lake.sql()};
}
Status run_compact(LakeInBucket& lake, DeltaTable& table) {
  return compact(access(lake), table).status();
}
Status run_checkpoint(LakeInBucket& /*lake*/, DeltaTable& table) {
  return table.checkpoint();
}
Status run_clean_log(LakeInBucket& lake, DeltaTable& table) {
  return clean_log(access(lake), table, {.keep = Duration{0}}).status();
}
Status run_vacuum(LakeInBucket& lake, DeltaTable& table) {
  return vacuum(access(lake), table, {.keep = Duration{0}}).status();
}

class CrashMatrixOnS3 : public testing::TestWithParam<Work> {};

TEST_P(CrashMatrixOnS3, BeforeEveryRequest) {
  const Work& work = GetParam();
  CrashOnS3 before;
  ASSERT_EQ(before.in_process(0,
                              [&](LakeInBucket& lake, DeltaTable& table) -> Status {
                                for (int64_t i = 0; i < work.steps_before; ++i) {
                                  ASSAY_RETURN_IF_ERROR(CrashOnS3::step(lake, table));
                                }
                                return {};
                              }),
            End::kCame);
  int64_t request = 1;
  for (End end = End::kKilled; end == End::kKilled; ++request) {
    CrashOnS3 crash(before.objects());
    end = crash.in_process(request, work.work);
    ASSERT_NE(end, End::kFailed) << work.name << ", request " << request;
    ASSERT_EQ(crash.verify(), End::kCame) << work.name << ", request " << request;
    // Whoever comes after does the work again.
    ASSERT_EQ(crash.in_process(0, work.work), End::kCame) << work.name << ", request " << request;
    ASSERT_EQ(crash.verify(), End::kCame) << work.name << ", request " << request;
  }
  std::printf("%s on S3: died before each of %lld requests\n",
              work.name,
              static_cast<long long>(request - 2));
}

INSTANTIATE_TEST_SUITE_P(Works,
                         CrashMatrixOnS3,
                         testing::Values(Work{"append", 3, CrashOnS3::step},
                                         Work{"merge", 5, CrashOnS3::step},
                                         Work{"delete", 6, CrashOnS3::step},
                                         Work{"commit with checkpoint", 9, CrashOnS3::step},
                                         Work{"compaction", 8, run_compact},
                                         Work{"checkpoint", 8, run_checkpoint},
                                         Work{"log clean-up", 11, run_clean_log},
                                         Work{"vacuum", 7, run_vacuum}));

TEST(CrashOnS3Slow, TwoHundredRandomRequests) {
  constexpr int kKills = 200;
  CrashOnS3 crash;
  const auto random = seeded_random(2027);
  int killed = 0;
  for (int round = 0; killed < kKills; ++round) {
    const auto dies_at = static_cast<int64_t>(1 + random->below(80));
    const End end = crash.in_process(dies_at, [](LakeInBucket& lake, DeltaTable& table) -> Status {
      ASSAY_RETURN_IF_ERROR(CrashOnS3::step(lake, table));
      ASSAY_RETURN_IF_ERROR(CrashOnS3::step(lake, table));
      return CrashOnS3::upkeep(lake, table);
    });
    ASSERT_NE(end, End::kFailed) << "round " << round << ", request " << dies_at;
    killed += end == End::kKilled ? 1 : 0;
    if (round % 10 == 0) {
      ASSERT_EQ(crash.verify(), End::kCame) << "round " << round;
    }
  }
  EXPECT_EQ(crash.verify(), End::kCame);
  std::printf("%d kills on S3, the table is whole\n", killed);
}

}  // namespace
}  // namespace assay::lake
