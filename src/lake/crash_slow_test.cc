// Power cuts at every system call of every kind of work, and at a thousand random ones.

#include <gtest/gtest.h>

#include "lake/crash_under_test.h"
#include "store/fake_s3.h"

namespace assay::lake {
namespace {

using End = CrashUnderTest::End;

struct Work {
  const char* name;
  int64_t steps_before;  // of the story
  std::function<Status(LakeUnderTest&, DeltaTable&)> work;
};

class CrashMatrix : public testing::TestWithParam<Work> {};

TEST_P(CrashMatrix, AtEverySystemCall) {
  const Work& work = GetParam();
  const CrashUnderTest before;
  ASSERT_EQ(before.in_process(0,
                              [&](LakeUnderTest& lake) -> Status {
                                ASSAY_ASSIGN_OR_RETURN(const auto table,
                                                       CrashUnderTest::open(lake));
                                for (int64_t i = 0; i < work.steps_before; ++i) {
                                  ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
                                }
                                return {};
                              }),
            End::kCame);
  const auto run = [&](LakeUnderTest& lake) -> Status {
    ASSAY_ASSIGN_OR_RETURN(const auto table, CrashUnderTest::open(lake));
    return work.work(lake, *table);
  };
  int64_t call = 1;
  for (End end = End::kKilled; end == End::kKilled; ++call) {
    const CrashUnderTest crash;
    std::filesystem::copy(before.folder(),
                          crash.folder(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    end = crash.in_process(call, run);
    ASSERT_NE(end, End::kFailed) << work.name << ", call " << call;
    ASSERT_EQ(crash.in_process(0, CrashUnderTest::verify), End::kCame)
        << work.name << ", call " << call;
    // Whoever comes after does the work again.
    ASSERT_EQ(crash.in_process(0, run), End::kCame) << work.name << ", call " << call;
    ASSERT_EQ(crash.in_process(0, CrashUnderTest::verify), End::kCame)
        << work.name << ", call " << call;
  }
  std::printf("%s: died at each of %lld calls\n", work.name, static_cast<long long>(call - 2));
}

Status run_compact(LakeUnderTest& lake, DeltaTable& table) {
  return compact({lake.world(), lake.store(), lake.sql()}, table).status();
}
Status run_checkpoint(LakeUnderTest& /*lake*/, DeltaTable& table) {
  return table.checkpoint();
}
Status run_clean_log(LakeUnderTest& lake, DeltaTable& table) {
  return clean_log({lake.world(), lake.store(), lake.sql()}, table, {.keep = Duration{0}}).status();
}
Status run_vacuum(LakeUnderTest& lake, DeltaTable& table) {
  return vacuum({lake.world(), lake.store(), lake.sql()}, table, {.keep = Duration{0}}).status();
}

INSTANTIATE_TEST_SUITE_P(Works,
                         CrashMatrix,
                         testing::Values(Work{"append", 3, CrashUnderTest::step},
                                         Work{"merge", 5, CrashUnderTest::step},
                                         Work{"delete", 6, CrashUnderTest::step},
                                         Work{"commit with checkpoint", 9, CrashUnderTest::step},
                                         Work{"compaction", 8, run_compact},
                                         Work{"checkpoint", 8, run_checkpoint},
                                         Work{"log clean-up", 11, run_clean_log},
                                         Work{"vacuum", 7, run_vacuum}));

/// Kill processes that work on the table at random passes up to `passes_max` until `kills` have
/// died.
void kill_at_random(const CrashUnderTest& crash, int kills, uint64_t passes_max) {
  const auto random = seeded_random(2026);
  int killed = 0;
  int rounds = 0;
  for (; killed < kills; ++rounds) {
    const auto dies_at = static_cast<int64_t>(1 + random->below(passes_max));
    const End end = crash.in_process(dies_at, [rounds](LakeUnderTest& lake) -> Status {
      ASSAY_RETURN_IF_ERROR(rounds % 10 == 0 ? CrashUnderTest::verify(lake) : Status());
      ASSAY_ASSIGN_OR_RETURN(const auto table, CrashUnderTest::open(lake));
      ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
      ASSAY_RETURN_IF_ERROR(CrashUnderTest::step(lake, *table));
      return CrashUnderTest::upkeep(lake, *table);
    });
    ASSERT_NE(end, End::kFailed) << "round " << rounds << ", pass " << dies_at;
    killed += end == End::kKilled ? 1 : 0;
  }
  EXPECT_EQ(crash.in_process(0, CrashUnderTest::verify), End::kCame);
  std::printf("%d kills in %d rounds, the table is whole\n", killed, rounds);
}

TEST(CrashSlow, AThousandRandomMoments) {
  kill_at_random(CrashUnderTest(), 1'000, 120);
}

/// An S3 service in a process of its own: this one forks, and must have no threads.
class FakeS3Process {
 public:
  FakeS3Process() {
    int ready[2] = {};
    int stop[2] = {};
    ASSAY_CHECK(::pipe(ready) == 0 && ::pipe(stop) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::close(stop[1]);
      const store::FakeS3 fake;
      const int port = fake.port();
      char byte = 0;
      const bool told = ::write(ready[1], &port, sizeof port) == sizeof port;
      ::_exit(told && ::read(stop[0], &byte, 1) == 0 ? 0 : 1);
    }
    ASSAY_CHECK(::read(ready[0], &port_, sizeof port_) == sizeof port_);
    ::close(ready[0]);
    ::close(ready[1]);
    ::close(stop[0]);
    stop_ = stop[1];
  }
  ~FakeS3Process() {
    ::close(stop_);
    ::waitpid(child_, nullptr, 0);
  }
  FakeS3Process(const FakeS3Process&) = delete;
  FakeS3Process& operator=(const FakeS3Process&) = delete;

  [[nodiscard]] store::S3Options options() const {
    return store::FakeS3::options_at("http://127.0.0.1:" + std::to_string(port_), "");
  }

 private:
  pid_t child_ = -1;
  int port_ = 0;
  int stop_ = -1;
};

TEST(CrashSlow, AThousandRandomMomentsOnS3) {
  const FakeS3Process fake;
  kill_at_random(CrashUnderTest(fake.options()), 1'000, 250);
}

}  // namespace
}  // namespace assay::lake
