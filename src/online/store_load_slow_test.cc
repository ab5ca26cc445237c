// A minute with a writer at full speed and readers on both cores, of each embedded store; as many
// seconds as ASSAY_LOAD_SECONDS says, where it is set. One reader more is another process.

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/temp_folder.h"
#include "online/store_fixture.h"
#include "online/store_under_load.h"

namespace assay::online {
namespace {

constexpr int64_t kSeconds = 60;

void expect_consistent(OnlineStore& store) {
  const char* const wanted = std::getenv("ASSAY_LOAD_SECONDS");
  const int64_t seconds = wanted != nullptr ? std::atoll(wanted) : kSeconds;
  const std::unique_ptr<Clock> clock = system_clock();
  const Duration begin = clock->monotonic();
  const auto seen = StoreUnderLoad(store).run(2, [&](int64_t /*round*/) {
    return clock->monotonic().micros - begin.micros < seconds * kMicrosPerSecond;
  });
  EXPECT_GT(seen.rounds, 10);
  EXPECT_GT(seen.reads, 10);
  ::testing::Test::RecordProperty("rounds", std::to_string(seen.rounds));
  ::testing::Test::RecordProperty("reads", std::to_string(seen.reads));
  std::printf("%lld rounds of %d rows, %lld reads\n",
              static_cast<long long>(seen.rounds),
              2 * StoreUnderLoad::kPairsARound,
              static_cast<long long>(seen.reads));
}

/// A process that reads a hash log until this one lets it end.
class ReaderProcess {
 public:
  explicit ReaderProcess(const std::string& folder) {
    EXPECT_EQ(::pipe(ends_), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::close(ends_[1]);
      ::_exit(read(folder) ? 0 : 1);
    }
    ::close(ends_[0]);
  }
  ~ReaderProcess() {
    ::close(ends_[1]);
    int status = 0;
    ::waitpid(child_, &status, 0);
    EXPECT_EQ(status, 0) << "rows of two rounds, or older than seen, in another process";
  }
  ReaderProcess(const ReaderProcess&) = delete;
  ReaderProcess& operator=(const ReaderProcess&) = delete;

 private:
  [[nodiscard]] bool read(const std::string& folder) const {
    TestWorld world;
    HashLogOptions options;
    options.read_only = true;
    const auto store = open_hash_log_store(world.world, folder, options);
    return store.ok() && StoreUnderLoad::reads_well(**store, [&] {
             pollfd end{ends_[0], POLLIN, 0};
             return ::poll(&end, 1, 0) == 0;
           });
  }
  int ends_[2] = {-1, -1};
  pid_t child_ = -1;
};

/// Whether commits wait for the disk.
class StoreLoadSlow : public testing::TestWithParam<bool> {};

TEST_P(StoreLoadSlow, TheHashLogServesWholeRowsNoOlderThanAcknowledged) {
  const TempFolder folder;
  TestWorld world;
  HashLogOptions options;
  options.sync = GetParam();
  options.file_bits = 20;  // cleaned, and another file begun, many times a second
  options.index_bits = 4;
  options.checkpoint_bytes = 1 << 16;
  const auto store = open_hash_log_store(world.world, folder.path(), options);
  ASSERT_TRUE(store.ok()) << store.status().to_string();
  const ReaderProcess beside(folder.path());
  expect_consistent(**store);
}

INSTANTIATE_TEST_SUITE_P(Sync, StoreLoadSlow, testing::Bool());

TEST(LmdbLoadSlow, LmdbServesWholeRowsNoOlderThanAcknowledged) {
  const TempFolder folder;
  TestWorld world;
  LmdbOptions options;
  options.sync = false;
  const auto store = open_lmdb_store(world.world, folder.path(), options);
  ASSERT_TRUE(store.ok()) << store.status().to_string();
  expect_consistent(**store);
}

}  // namespace
}  // namespace assay::online
