// The hash log after a writer was killed, at random moments and at each named one, and after the
// machine was restarted: what is found must be the replay of the batches up to the position found.

#include <atomic>
#include <csignal>
#include <filesystem>
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

/// Batch `position` of a fixed history: the same rows whoever asks. Entities become more.
data::Batch batch_at(const FakeView& view, int64_t position) {
  std::mt19937_64 random(static_cast<uint64_t>(position) + 1);
  std::vector<FakeRow> rows;
  for (int i = 0; i < 40; ++i) {
    const uint64_t user = random() % (60 + 3 * static_cast<uint64_t>(position));
    FakeRow row{"u" + std::to_string(user), position * 10 + i % 10, position * 10 + 9, {}};
    for (int f = 0; f < 4; ++f) {
      row.features.emplace_back(static_cast<double>(random() % 1000));
    }
    rows.push_back(row);
  }
  return fake_batch(view, rows, position * 40);
}

/// Entities that the batch makes anew: those that have no rows in it are erased.
std::vector<data::EntityKey> anew_at(int64_t position) {
  return {fake_key("u" + std::to_string(position * 7 % 60)),
          fake_key("u" + std::to_string(position * 11 % 60))};
}

/// Small files, so that all that happens now and then happens often.
HashLogOptions small_files(bool sync) {
  HashLogOptions options;
  options.sync = sync;
  options.file_bits = 13;
  options.checkpoint_bytes = 1 << 14;
  options.index_bits = 4;
  return options;
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
  Result<std::unique_ptr<OnlineStore>> opened =
      open_hash_log_store(world.world, folder, small_files(sync));
  if (!opened.ok()) {
    return 1;
  }
  const FakeView view = clicks();
  std::optional<int64_t> at = position_in(**opened, view);
  for (int64_t next = at.value_or(-1) + 1; next < kBatches; at = next++) {
    const std::vector<data::EntityKey> anew = anew_at(next);
    if (!(*opened)
             ->apply(view, batch_at(view, next), at, next, EventTime{next * 10 + 9}, anew)
             .ok()) {
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
std::optional<int64_t> expect_replay(const std::string& folder, bool read_only) {
  TestWorld world;
  const FakeView view = clicks();
  HashLogOptions options = small_files(true);
  options.read_only = read_only;
  Result<std::unique_ptr<OnlineStore>> found = open_hash_log_store(world.world, folder, options);
  EXPECT_TRUE(found.ok()) << found.status().to_string();
  if (!found.ok()) {
    return std::nullopt;
  }
  const std::optional<int64_t> position = position_in(**found, view);
  Metrics metrics;
  const std::unique_ptr<OnlineStore> replay = make_memory_store(metrics);
  for (int64_t at = 0; at <= position.value_or(-1); ++at) {
    EXPECT_TRUE(replay
                    ->apply(view,
                            batch_at(view, at),
                            at == 0 ? std::nullopt : std::optional<int64_t>(at - 1),
                            at,
                            EventTime{at * 10 + 9},
                            anew_at(at))
                    .ok());
  }
  const Result<uint64_t> hash = (*found)->content_hash(view);
  EXPECT_TRUE(hash.ok()) << hash.status().to_string();
  EXPECT_EQ(hash.ok() ? *hash : 0, *replay->content_hash(view))
      << "position " << position.value_or(-1);
  EXPECT_EQ(*(*found)->data_now(), *replay->data_now());
  return position;
}

/// As a restart of the machine leaves it: of head and index nothing counts.
void forget_memory(const std::string& folder) {
  std::filesystem::copy(join_path(folder, "head"), join_path(folder, "head.copy"));
  std::filesystem::rename(join_path(folder, "head.copy"), join_path(folder, "head"));
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().filename().string().starts_with("index.")) {
      std::filesystem::resize_file(file.path(), 100);
    }
  }
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

TEST(HashLogCrash, KilledAtRandomThePositionAndRowsAgreeAndNoAcknowledgedBatchIsLost) {
  const uint64_t seed = 20261128;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const bool sync : {true, false}) {
    const TestFolder folder;
    int64_t acknowledged = 0;
    for (int kill = 0; kill < 12; ++kill) {
      acknowledged +=
          kill_writer(folder.path(), sync, static_cast<int>(random() % 6), random() % 1'000'000);
      if (!std::filesystem::exists(join_path(folder.path(), "head"))) {
        continue;  // killed before there was a store
      }
      if (random() % 2 == 0) {  // the data are in the kernel's files either way
        forget_memory(folder.path());
      }
      const bool read_only = random() % 2 == 0;
      const std::optional<int64_t> position = expect_replay(folder.path(), read_only);
      EXPECT_GE(position.value_or(-1) + 1, acknowledged);
      acknowledged = position.value_or(-1) + 1;
    }
    EXPECT_EQ(write_history(folder.path(), sync, -1), 0);
    EXPECT_EQ(expect_replay(folder.path(), true), kBatches - 1);
    forget_memory(folder.path());
    EXPECT_EQ(expect_replay(folder.path(), true), kBatches - 1);
  }
}

/// The writer's folder in the test below, the same in the process that a death test starts anew.
std::string fail_point_folder(const char* name) {
  const char* const given = std::getenv("ASSAY_CRASH_TEST_FOLDER");
  return (given != nullptr ? std::string(given) : std::string()) + "/" + name;
}

struct FailPoint {
  std::string place;        // and pass
  int64_t found;            // position after it, by the next process on this machine
  int64_t found_restarted;  // and when the machine was restarted meanwhile
};

class HashLogFailPoint : public testing::TestWithParam<FailPoint> {};

TEST_P(HashLogFailPoint, AWriterThatIsKilledThereLeavesWholeBatches) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const TestFolder folder;
  ::setenv("ASSAY_CRASH_TEST_FOLDER", folder.path().c_str(), 0);
  ::setenv("ASSAY_FAIL_POINT", GetParam().place.c_str(), 1);
  EXPECT_EXIT(::_exit(write_history(fail_point_folder("store"), true, -1)),
              testing::KilledBySignal(SIGKILL),
              "");
  ::unsetenv("ASSAY_FAIL_POINT");
  const std::string store = fail_point_folder("store");
  const std::string restarted = fail_point_folder("restarted");
  std::filesystem::copy(store, restarted, std::filesystem::copy_options::recursive);
  std::vector<int64_t> seen;  // by a reader, before anybody ends what the writer began
  for (const bool read_only : {true, false}) {
    const std::optional<int64_t> position = expect_replay(store, read_only);
    ASSERT_TRUE(position.has_value());
    seen.push_back(*position);
  }
  EXPECT_LE(seen[0], seen[1]);
  if (GetParam().found >= 0) {
    EXPECT_EQ(seen[1], GetParam().found);
  }
  if (std::filesystem::exists(join_path(restarted, "head"))) {
    forget_memory(restarted);
  }
  const std::optional<int64_t> position = expect_replay(restarted, true);
  ASSERT_TRUE(position.has_value());
  if (GetParam().found_restarted >= 0) {
    EXPECT_EQ(*position, GetParam().found_restarted);
  }
  for (const std::string& both : {store, restarted}) {
    EXPECT_EQ(write_history(both, true, -1), 0);
    EXPECT_EQ(expect_replay(both, false), kBatches - 1);
  }
  ::unsetenv("ASSAY_CRASH_TEST_FOLDER");
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

/// Before there is a store there is nothing that a batch could be in.
TEST(HashLogCrash, KilledWhileTheStoreIsMadeItIsMadeByTheNextOne) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const TestFolder folder;
  ::setenv("ASSAY_CRASH_TEST_FOLDER", folder.path().c_str(), 0);
  ::setenv("ASSAY_FAIL_POINT", "online.recovery.before_head:1", 1);
  EXPECT_EXIT(::_exit(write_history(fail_point_folder("store"), true, -1)),
              testing::KilledBySignal(SIGKILL),
              "");
  ::unsetenv("ASSAY_FAIL_POINT");
  EXPECT_EQ(write_history(fail_point_folder("store"), true, -1), 0);
  EXPECT_EQ(expect_replay(fail_point_folder("store"), true), kBatches - 1);
  ::unsetenv("ASSAY_CRASH_TEST_FOLDER");
}

}  // namespace
}  // namespace assay::online
