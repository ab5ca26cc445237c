// The hash log after a writer was killed, at random moments and at each named one, and after the
// machine was restarted: what is found must be the replay of the batches up to the position found.

#include <algorithm>
#include <filesystem>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/arm_fail_point.h"
#include "base/temp_folder.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
#include "online/store_history.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

/// Small files, so that all that happens now and then happens often.
StoreHistory history() {
  return StoreHistory([](World& world, const std::string& folder, bool sync, bool read_only) {
    HashLogOptions options;
    options.read_only = read_only;
    options.sync = sync;
    options.file_bits = 13;
    options.checkpoint_bytes = 1 << 14;
    options.index_bits = 4;
    return open_hash_log_store(world, folder, options);
  });
}

/// The same as a restart of the machine, and of the index not even the size is what it was.
void forget_all_memory(const std::string& folder) {
  forget_memory(folder);
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().filename().string().starts_with("index.")) {
      std::filesystem::resize_file(file.path(), 100);
    }
  }
}

TEST(HashLogCrash, KilledAtRandomThePositionAndRowsAgreeAndNoAcknowledgedBatchIsLost) {
  const uint64_t seed = 20261128;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const StoreHistory history = online::history();
  for (const bool sync : {true, false}) {
    const TempFolder folder;
    int64_t acknowledged = 0;
    for (int kill = 0; kill < 12; ++kill) {
      acknowledged += history.kill_writer(
          folder.path(), sync, static_cast<int>(random() % 6), random() % 1'000'000);
      if (!std::filesystem::exists(join_path(folder.path(), "head"))) {
        continue;  // killed before there was a store
      }
      if (random() % 2 == 0) {  // the data are in the kernel's files either way
        forget_all_memory(folder.path());
      }
      const bool read_only = random() % 2 == 0;
      const std::optional<int64_t> position = history.expect_replay(folder.path(), read_only);
      EXPECT_GE(position.value_or(-1) + 1, acknowledged);
      acknowledged = position.value_or(-1) + 1;
    }
    EXPECT_EQ(history.write(folder.path(), sync), 0);
    EXPECT_EQ(history.expect_replay(folder.path(), true), StoreHistory::kBatches - 1);
    forget_all_memory(folder.path());
    EXPECT_EQ(history.expect_replay(folder.path(), true), StoreHistory::kBatches - 1);
  }
}

struct FailPoint {
  std::string place;        // and pass
  int64_t found;            // position after it, by the next process on this machine
  int64_t found_restarted;  // and when the machine was restarted meanwhile
};

class HashLogFailPoint : public testing::TestWithParam<FailPoint> {};

TEST_P(HashLogFailPoint, AWriterThatIsKilledThereLeavesWholeBatches) {
  const FailPointFolder folder;
  const StoreHistory history = online::history();
  const std::string store = FailPointFolder::path("store");
  const std::string restarted = FailPointFolder::path("restarted");
  history.expect_killed_at(GetParam().place, store);
  std::filesystem::copy(store, restarted, std::filesystem::copy_options::recursive);
  std::vector<int64_t> seen;  // by a reader, before anybody ends what the writer began
  for (const bool read_only : {true, false}) {
    const std::optional<int64_t> position = history.expect_replay(store, read_only);
    ASSERT_TRUE(position.has_value());
    seen.push_back(*position);
  }
  EXPECT_LE(seen[0], seen[1]);
  if (GetParam().found >= 0) {
    EXPECT_EQ(seen[1], GetParam().found);
  }
  if (std::filesystem::exists(join_path(restarted, "head"))) {
    forget_all_memory(restarted);
  }
  const std::optional<int64_t> position = history.expect_replay(restarted, true);
  ASSERT_TRUE(position.has_value());
  if (GetParam().found_restarted >= 0) {
    EXPECT_EQ(*position, GetParam().found_restarted);
  }
  for (const std::string& both : {store, restarted}) {
    EXPECT_EQ(history.write(both, true), 0);
    EXPECT_EQ(history.expect_replay(both, false), StoreHistory::kBatches - 1);
  }
}

std::string place_name(const testing::TestParamInfo<FailPoint>& info) {
  std::string name = info.param.place;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == ':'; }, '_');
  return name;
}

// -1: some whole batch.
INSTANTIATE_TEST_SUITE_P(Places,
                         HashLogFailPoint,
                         testing::Values(FailPoint{"online.apply.before_commit:4", 2, 2},
                                         FailPoint{"online.log.before_sync:4", 2, 3},
                                         FailPoint{"online.log.between_parts:1", -1, -1},
                                         FailPoint{"online.log.between_parts:2", -1, -1},
                                         FailPoint{"online.log.between_parts:5", -1, -1},
                                         FailPoint{"online.log.after_sync:4", 2, 3},
                                         FailPoint{"online.log.publishing:50", 1, 1},
                                         FailPoint{"online.log.publishing:110", -1, -1},
                                         FailPoint{"online.log.vacating:1", -1, -1},
                                         FailPoint{"online.log.vacating:2", -1, -1},
                                         FailPoint{"online.log.vacating:4", -1, -1},
                                         FailPoint{"online.log.shown:4", 3, 3},
                                         FailPoint{"online.apply.after_commit:4", 3, 3},
                                         FailPoint{"online.index.switching:3", -1, -1},
                                         FailPoint{"online.log.before_remove:1", -1, -1},
                                         FailPoint{"online.log.before_remove:2", -1, -1},
                                         FailPoint{"online.checkpoint.before_rename:1", -1, -1},
                                         FailPoint{"online.checkpoint.before_rename:2", -1, -1},
                                         FailPoint{"online.checkpoint.after_rename:2", -1, -1}),
                         place_name);

/// A batch of more than 8 MiB is written in parts, here into one file.
TEST(HashLogCrash, KilledBetweenPartsOfALargeBatchNoneOfItIsThere) {
  constexpr int kFeatures = 60;
  constexpr int kUsers = 40'000;
  const FailPointFolder folder;
  const FakeView view("wide", {{"user_id", data::Type::kString}}, kFeatures);
  const auto batch = [&](int users, double value) {
    std::vector<FakeRow> rows;
    for (int user = 0; user < users; ++user) {
      rows.push_back({"u" + std::to_string(user), 1, 1, {}});
      rows.back().features.assign(kFeatures, value);
    }
    return fake_batch(view, rows);
  };
  const auto apply = [&](OnlineStore& store, std::optional<int64_t> expected, int users) {
    const int64_t next = expected.value_or(0) + 1;
    return store.apply(view, batch(users, static_cast<double>(next)), expected, next, EventTime{1});
  };
  const std::string path = FailPointFolder::path("store");
  EXPECT_EXIT(
      {
        TestWorld world;
        const auto store = open_hash_log_store(world.world, path, {}).value();
        if (!apply(*store, std::nullopt, 10).ok()) {
          ::_exit(1);
        }
        arm_fail_point("online.log.between_parts:2");
        (void)apply(*store, 1, kUsers);
        ::_exit(2);
      },
      testing::KilledBySignal(SIGKILL),
      "");
  const auto log_bytes = [&] { return std::filesystem::file_size(join_path(path, "log.1")); };
  EXPECT_GT(log_bytes(), 16U << 20U) << "two parts stand there";
  TestWorld world;
  for (const bool read_only : {true, false}) {
    HashLogOptions options;
    options.read_only = read_only;
    const auto store = open_hash_log_store(world.world, path, options).value();
    EXPECT_EQ(store->applied_to(view).value()->position, 1);
    const std::vector<data::EntityKey> keys = {fake_key("u9"), fake_key("u10")};
    const auto found = store->read(view, keys, EventTime{2}).value();
    EXPECT_EQ(found[0].values[0], data::Scalar::float64(1));
    EXPECT_EQ(found[1].statuses[0], data::FeatureStatus::kNotFound);
    if (!read_only) {
      EXPECT_TRUE(apply(*store, 1, kUsers).ok());
      EXPECT_EQ(store->read(view, keys, EventTime{2}).value()[1].values[0],
                data::Scalar::float64(2));
    }
  }
}

/// Whoever reads finds rows that are being replaced until the others are shown, also where the
/// transaction that replaces them cleans the file that they are in, and is killed at that.
TEST(HashLogCrash, KilledWhileItCleansTheRowsOfAViewThatIsReplacedTheyAreFound) {
  constexpr int kUsers = 40;
  const FailPointFolder folder;
  const std::vector<data::Field> key = {{"user_id", data::Type::kString}};
  const FakeView view("clicks", key, 1);
  const Beside<FakeView> beside("clicks", key, 1);
  const FakeView large("large", key, 60);
  const auto apply = [](OnlineStore& store, const FakeView& to, int users, double value) {
    std::vector<FakeRow> rows;
    for (int user = 0; user < users; ++user) {
      rows.push_back({"u" + std::to_string(user), 1, 1, {}});
      rows.back().features.assign(to.features().size(), value);
    }
    return store.apply(to, fake_batch(to, rows), std::nullopt, 1, EventTime{1}).ok();
  };
  const std::string path = FailPointFolder::path("store");
  HashLogOptions options;
  options.file_bits = 13;
  EXPECT_EXIT(
      {
        TestWorld world;
        const auto store = open_hash_log_store(world.world, path, options).value();
        // What is dropped makes cleaning due, from the next transaction on.
        if (!apply(*store, view, kUsers, 1) || !apply(*store, large, 400, 0) ||
            !apply(*store, beside, kUsers, 2) || !store->drop(large.storage_name()).ok()) {
          ::_exit(1);
        }
        arm_fail_point("online.log.vacating:5");
        (void)replace_view(*store, view, beside.storage_name());
        ::_exit(2);
      },
      testing::KilledBySignal(SIGKILL),
      "");
  options.read_only = true;
  TestWorld world;
  const auto store = open_hash_log_store(world.world, path, options).value();
  for (int user = 0; user < kUsers; ++user) {
    const std::vector<data::EntityKey> one = {fake_key("u" + std::to_string(user))};
    EXPECT_EQ(store->read(view, one, EventTime{2}).value()[0].values[0], data::Scalar::float64(1));
  }
}

/// Before there is a store there is nothing that a batch could be in.
TEST(HashLogCrash, KilledWhileTheStoreIsMadeItIsMadeByTheNextOne) {
  const FailPointFolder folder;
  const StoreHistory history = online::history();
  const std::string store = FailPointFolder::path("store");
  history.expect_killed_at("online.recovery.before_head:1", store);
  EXPECT_EQ(history.write(store, true), 0);
  EXPECT_EQ(history.expect_replay(store, true), StoreHistory::kBatches - 1);
}

}  // namespace
}  // namespace assay::online
