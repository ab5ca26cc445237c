// The store after a power cut: a writer process is killed at random moments and at named ones; what
// is found afterwards must be the replay of its batches up to the position that is found.

#include <atomic>
#include <csignal>
#include <random>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

constexpr int kBatches = 60;

FakeView clicks() {
  return FakeView("clicks", {{"user_id", data::Type::kString}}, 4);
}

/// Batch `position` of a fixed history: the same rows whoever asks.
data::Batch batch_at(const FakeView& view, int64_t position) {
  std::mt19937_64 random(static_cast<uint64_t>(position) + 1);
  std::vector<FakeRow> rows;
  for (int i = 0; i < 40; ++i) {
    FakeRow row{
        "u" + std::to_string(random() % 200), position * 10 + i % 10, position * 10 + 9, {}};
    for (int f = 0; f < 4; ++f) {
      row.features.emplace_back(static_cast<double>(random() % 1000));
    }
    rows.push_back(row);
  }
  return fake_batch(view, rows, position * 40);
}

std::optional<int64_t> position_in(OnlineStore& store, const FakeView& view) {
  const Result<std::optional<AppliedTo>> applied = store.applied_to(view);
  EXPECT_TRUE(applied.ok()) << applied.status().to_string();
  return applied.ok() && applied->has_value() ? std::optional<int64_t>((*applied)->position)
                                              : std::nullopt;
}

/// Apply what is left of the history. Writes one byte to `progress` after each commit.
int write_history(const std::string& folder, bool sync, int progress) {
  TestWorld world;
  LmdbOptions options;
  options.sync = sync;
  options.map_bytes = 1 << 16;  // grows now and then, also while it is killed
  Result<std::unique_ptr<OnlineStore>> opened = open_lmdb_store(world.world, folder, options);
  if (!opened.ok()) {
    return 1;
  }
  const FakeView view = clicks();
  std::optional<int64_t> at = position_in(**opened, view);
  for (int64_t next = at.value_or(-1) + 1; next < kBatches; at = next++) {
    if (!(*opened)->apply(view, batch_at(view, next), at, next, EventTime{next * 10 + 9}).ok()) {
      return 2;
    }
    const char byte = 'x';
    if (progress >= 0 && ::write(progress, &byte, 1) != 1) {
      return 3;
    }
  }
  return 0;
}

/// Rows and position agree exactly: compared with a replay into memory.
std::optional<int64_t> expect_replay(const std::string& folder) {
  TestWorld world;
  const FakeView view = clicks();
  Result<std::unique_ptr<OnlineStore>> found = open_lmdb_store(world.world, folder, false);
  EXPECT_TRUE(found.ok()) << found.status().to_string();
  const std::optional<int64_t> position = position_in(**found, view);
  Metrics metrics;
  const std::unique_ptr<OnlineStore> replay = make_memory_store(metrics);
  for (int64_t at = 0; at <= position.value_or(-1); ++at) {
    EXPECT_TRUE(replay
                    ->apply(view,
                            batch_at(view, at),
                            at == 0 ? std::nullopt : std::optional<int64_t>(at - 1),
                            at,
                            EventTime{at * 10 + 9})
                    .ok());
  }
  const Result<uint64_t> hash = (*found)->content_hash(view);
  EXPECT_TRUE(hash.ok()) << hash.status().to_string();
  EXPECT_EQ(*hash, *replay->content_hash(view)) << "position " << position.value_or(-1);
  EXPECT_EQ(*(*found)->data_now(), *replay->data_now());
  return position;
}

/// Start a writer and kill it some random work after `commits` commits. Returns acknowledged
/// commits.
int kill_writer(const std::string& folder, bool sync, int commits, uint64_t spin) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    ::_exit(write_history(folder, sync, ends[1]));
  }
  ::close(ends[1]);
  char byte = 0;
  int acknowledged = 0;
  while (acknowledged < commits && ::read(ends[0], &byte, 1) == 1) {
    ++acknowledged;
  }
  for (std::atomic<uint64_t> turn = 0; turn < spin; ++turn) {
  }
  ::kill(child, SIGKILL);
  while (::read(ends[0], &byte, 1) == 1) {
    ++acknowledged;
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return acknowledged;
}

TEST(LmdbCrash, KilledAtRandomThePositionAndRowsAgreeAndNoAcknowledgedBatchIsLost) {
  const uint64_t seed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const bool sync : {true, false}) {
    const TestFolder folder;
    int64_t acknowledged = 0;
    for (int kill = 0; kill < 12; ++kill) {
      acknowledged +=
          kill_writer(folder.path(), sync, static_cast<int>(random() % 6), random() % 1'000'000);
      const std::optional<int64_t> position = expect_replay(folder.path());
      EXPECT_GE(position.value_or(-1) + 1, acknowledged);
      acknowledged = position.value_or(-1) + 1;
    }
    EXPECT_EQ(write_history(folder.path(), sync, -1), 0);
    EXPECT_EQ(expect_replay(folder.path()), kBatches - 1);
  }
}

/// The writer's folder in the two tests below, the same in the process that a death test starts
/// anew.
std::string fail_point_folder(const char* name) {
  const char* const given = std::getenv("ASSAY_CRASH_TEST_FOLDER");
  return (given != nullptr ? std::string(given) : std::string()) + "/" + name;
}

class LmdbFailPoint : public testing::TestWithParam<std::pair<const char*, int64_t>> {};

TEST_P(LmdbFailPoint, APowerCutThereLeavesExactlyTheCommittedBatches) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const TestFolder folder;
  ::setenv("ASSAY_CRASH_TEST_FOLDER", folder.path().c_str(), 0);
  const std::string place = std::string(GetParam().first) + ":4";
  ::setenv("ASSAY_FAIL_POINT", place.c_str(), 1);
  EXPECT_EXIT(::_exit(write_history(fail_point_folder("store"), true, -1)),
              testing::KilledBySignal(SIGKILL),
              "");
  ::unsetenv("ASSAY_FAIL_POINT");
  EXPECT_EQ(expect_replay(fail_point_folder("store")), GetParam().second);
  ::unsetenv("ASSAY_CRASH_TEST_FOLDER");
}

INSTANTIATE_TEST_SUITE_P(
    Places,
    LmdbFailPoint,
    testing::Values(std::pair<const char*, int64_t>("online.apply.before_commit", 2),
                    std::pair<const char*, int64_t>("online.apply.after_commit", 3)));

}  // namespace
}  // namespace assay::online
