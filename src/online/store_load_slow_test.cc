// A minute with a writer at full speed and readers on both cores, of each embedded store; as many
// seconds as ASSAY_LOAD_SECONDS says, where it is set.

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

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

TEST(StoreLoadSlow, TheHashLogServesWholeRowsNoOlderThanAcknowledged) {
  const TestFolder folder;
  TestWorld world;
  HashLogOptions options;
  options.sync = false;
  options.file_bits = 20;  // cleaned, and another file begun, many times a second
  options.index_bits = 4;
  options.checkpoint_bytes = 1 << 16;
  const auto store = open_hash_log_store(world.world, folder.path(), options);
  ASSERT_TRUE(store.ok()) << store.status().to_string();
  expect_consistent(**store);
}

TEST(StoreLoadSlow, LmdbServesWholeRowsNoOlderThanAcknowledged) {
  const TestFolder folder;
  TestWorld world;
  LmdbOptions options;
  options.sync = false;
  const auto store = open_lmdb_store(world.world, folder.path(), options);
  ASSERT_TRUE(store.ok()) << store.status().to_string();
  expect_consistent(**store);
}

}  // namespace
}  // namespace assay::online
