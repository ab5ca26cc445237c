#pragma once

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "base/temp_folder.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/store_fixture.h"

// A fixed history of batches, written to a store by a process that is killed: what is found
// afterwards must be the replay of the batches up to the position found.

namespace assay::online {

class StoreHistory {
 public:
  using Open = std::function<Result<std::unique_ptr<OnlineStore>>(
      World& world, const std::string& folder, bool sync, bool read_only)>;
  static constexpr int64_t kBatches = 60;

  explicit StoreHistory(Open open) : open_(std::move(open)) {}

  /// Apply what is left of the history; 0 when all is there. One byte to `progress` after each
  /// commit.
  [[nodiscard]] int write(const std::string& folder, bool sync, int progress = -1) const {
    TestWorld world;
    Result<std::unique_ptr<OnlineStore>> opened = open_(world.world, folder, sync, false);
    if (!opened.ok()) {
      return 1;
    }
    std::optional<int64_t> at = position_in(**opened);
    for (int64_t next = at.value_or(-1) + 1; next < kBatches; at = next++) {
      if (!apply(**opened, at, next).ok()) {
        return 2;
      }
      const char byte = 'x';
      if (progress >= 0 && ::write(progress, &byte, 1) != 1) {
        return 3;
      }
    }
    return 0;
  }

  /// Rows and position agree exactly, compared with a replay into memory. The position.
  [[nodiscard]] std::optional<int64_t> expect_replay(const std::string& folder,
                                                     bool read_only = false) const {
    TestWorld world;
    Result<std::unique_ptr<OnlineStore>> found = open_(world.world, folder, true, read_only);
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    if (!found.ok()) {
      return std::nullopt;
    }
    const std::optional<int64_t> position = position_in(**found);
    Metrics metrics;
    const std::unique_ptr<OnlineStore> replay = make_memory_store(metrics);
    for (int64_t at = 0; at <= position.value_or(-1); ++at) {
      const std::optional<int64_t> before = at == 0 ? std::nullopt : std::optional(at - 1);
      EXPECT_TRUE(apply(*replay, before, at).ok());
    }
    const Result<uint64_t> hash = (*found)->content_hash(view_);
    EXPECT_TRUE(hash.ok()) << hash.status().to_string();
    EXPECT_EQ(hash.ok() ? *hash : 0, *replay->content_hash(view_))
        << "position " << position.value_or(-1);
    EXPECT_EQ(*(*found)->data_now(), *replay->data_now());
    return position;
  }

  /// Start a writer and kill it some random work after `commits` commits. Returns acknowledged
  /// commits.
  [[nodiscard]] int kill_writer(const std::string& folder,
                                bool sync,
                                int commits,
                                uint64_t spin) const {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      ::_exit(write(folder, sync, ends[1]));
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

  /// Let a writer be killed at a fail point. The folder is one of FailPointFolder.
  void expect_killed_at(const std::string& place, const std::string& folder) const {
    ::setenv("ASSAY_FAIL_POINT", place.c_str(), 1);
    EXPECT_EXIT(::_exit(write(folder, true)), testing::KilledBySignal(SIGKILL), "");
    ::unsetenv("ASSAY_FAIL_POINT");
  }

 private:
  /// Batch `position`: the same rows whoever asks. Entities become more.
  [[nodiscard]] data::Batch batch_at(int64_t position) const {
    const std::unique_ptr<Random> random = seeded_random(static_cast<uint64_t>(position) + 1);
    std::vector<FakeRow> rows;
    for (int i = 0; i < 40; ++i) {
      const uint64_t user = random->below(60 + 3 * static_cast<uint64_t>(position));
      FakeRow row{"u" + std::to_string(user), position * 10 + i % 10, position * 10 + 9, {}};
      for (int f = 0; f < 4; ++f) {
        row.features.emplace_back(static_cast<double>(random->below(1000)));
      }
      rows.push_back(row);
    }
    return fake_batch(view_, rows, position * 40);
  }
  /// Entities that the batch makes anew: those that have no rows in it are erased.
  static std::vector<data::EntityKey> anew_at(int64_t position) {
    std::vector<data::EntityKey> anew = {fake_key("u" + std::to_string(position * 7 % 60)),
                                         fake_key("u" + std::to_string(position * 11 % 60))};
    std::sort(anew.begin(), anew.end());
    anew.erase(std::unique(anew.begin(), anew.end()), anew.end());
    return anew;
  }
  Status apply(OnlineStore& store, std::optional<int64_t> before, int64_t position) const {
    return store.apply(view_,
                       batch_at(position),
                       before,
                       position,
                       EventTime{position * 10 + 9},
                       anew_at(position));
  }
  [[nodiscard]] std::optional<int64_t> position_in(OnlineStore& store) const {
    const Result<std::optional<AppliedTo>> applied = store.applied_to(view_);
    EXPECT_TRUE(applied.ok()) << applied.status().to_string();
    return applied.ok() && applied->has_value() ? std::optional<int64_t>((*applied)->position)
                                                : std::nullopt;
  }

  FakeView view_{"clicks", {{"user_id", data::Type::kString}}, 4};
  Open open_;
};

/// A folder for tests with fail points: the same in the process that a death test starts anew.
class FailPointFolder {
 public:
  FailPointFolder() {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    ::setenv("ASSAY_CRASH_TEST_FOLDER", folder_.path().c_str(), 0);
  }
  ~FailPointFolder() { ::unsetenv("ASSAY_CRASH_TEST_FOLDER"); }
  FailPointFolder(const FailPointFolder&) = delete;
  FailPointFolder& operator=(const FailPointFolder&) = delete;
  [[nodiscard]] static std::string path(const char* name) {
    const char* const given = std::getenv("ASSAY_CRASH_TEST_FOLDER");
    return (given != nullptr ? std::string(given) : std::string()) + "/" + name;
  }

 private:
  TempFolder folder_;
};

}  // namespace assay::online
