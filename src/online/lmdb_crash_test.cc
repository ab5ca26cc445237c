// The store after a power cut: a writer process is killed at random moments and at named ones; what
// is found afterwards must be the replay of its batches up to the position that is found.

#include <random>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
#include "online/store_history.h"

namespace assay::online {
namespace {

StoreHistory history() {
  return StoreHistory([](World& world, const std::string& folder, bool sync, bool read_only) {
    LmdbOptions options;
    options.read_only = read_only;
    options.sync = sync;
    options.map_bytes = 1 << 16;  // grows now and then, also while it is killed
    return open_lmdb_store(world, folder, options);
  });
}

TEST(LmdbCrash, KilledAtRandomThePositionAndRowsAgreeAndNoAcknowledgedBatchIsLost) {
  const uint64_t seed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const StoreHistory history = online::history();
  for (const bool sync : {true, false}) {
    const TempFolder folder;
    int64_t acknowledged = 0;
    for (int kill = 0; kill < 12; ++kill) {
      acknowledged += history.kill_writer(
          folder.path(), sync, static_cast<int>(random() % 6), random() % 1'000'000);
      const std::optional<int64_t> position = history.expect_replay(folder.path());
      EXPECT_GE(position.value_or(-1) + 1, acknowledged);
      acknowledged = position.value_or(-1) + 1;
    }
    EXPECT_EQ(history.write(folder.path(), sync), 0);
    EXPECT_EQ(history.expect_replay(folder.path()), StoreHistory::kBatches - 1);
  }
}

class LmdbFailPoint : public testing::TestWithParam<std::pair<const char*, int64_t>> {};

TEST_P(LmdbFailPoint, APowerCutThereLeavesExactlyTheCommittedBatches) {
  const FailPointFolder folder;
  const StoreHistory history = online::history();
  const std::string store = FailPointFolder::path("store");
  history.expect_killed_at(std::string(GetParam().first) + ":4", store);
  EXPECT_EQ(history.expect_replay(store), GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(
    Places,
    LmdbFailPoint,
    testing::Values(std::pair<const char*, int64_t>("online.apply.before_commit", 2),
                    std::pair<const char*, int64_t>("online.apply.after_commit", 3)));

}  // namespace
}  // namespace assay::online
