#include "bronze/key_runs.h"

#include <algorithm>
#include <csignal>
#include <random>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/hash.h"
#include "base/temp_folder.h"

namespace assay::bronze {
namespace {

struct Key {
  uint64_t hash = 0;
  std::string bytes;
  int64_t time = 0;
  int64_t sequence = 0;
  uint64_t content = 0;
  auto operator<=>(const Key&) const = default;
};

/// Keys in order of their hashes, some of which are equal.
std::vector<Key> random_keys(std::mt19937_64& random, std::size_t count) {
  std::vector<Key> keys;
  for (std::size_t i = 0; i < count; ++i) {
    const bool repeats = !keys.empty() && random() % 5 == 0;
    keys.push_back({repeats ? keys.back().hash : random(),
                    std::string(random() % 40, static_cast<char>('a' + random() % 26)),
                    static_cast<int64_t>(random() % 1'000'000),
                    static_cast<int64_t>(random() >> 1),
                    random()});
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

KeyRuns::Keys handed_over(const std::vector<Key>& keys) {
  return {static_cast<int64_t>(keys.size()), [&keys](int64_t number) {
            const Key& key = keys[static_cast<std::size_t>(number)];
            return AcceptedKey{key.hash, key.bytes, {key.time}, key.sequence, key.content};
          }};
}

/// What runs have of these hashes, whatever the times.
std::vector<Key> found_in(KeyRuns& runs, const std::vector<uint64_t>& hashes) {
  std::vector<KeyRuns::Question> questions;
  for (const uint64_t hash : hashes) {
    questions.push_back({hash, {0}});
  }
  std::vector<Key> found;
  const Status status = runs.find(questions, Duration{INT64_MAX}, [&](const AcceptedKey& key) {
    found.push_back(
        {key.hash, std::string(key.key), key.event_time.micros, key.sequence, key.content});
  });
  EXPECT_TRUE(status.ok()) << status.to_string();
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<uint64_t> hashes_of(const std::vector<Key>& keys) {
  std::vector<uint64_t> hashes;
  for (const Key& key : keys) {
    hashes.push_back(key.hash);
  }
  return hashes;
}

class KeyRunsTest : public testing::Test {
 protected:
  unsigned seed_ = std::random_device{}();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  TempFolder folder_;
};

TEST_F(KeyRunsTest, WhatWasPutThereIsFoundAndNothingElse) {
  for (const std::size_t filters : {std::size_t{0}, std::size_t{1} << 20}) {
    for (const std::size_t count : {1, 127, 128, 129, 5'000}) {
      KeyRuns runs(folder_.path(), filters);
      const std::vector<Key> keys = random_keys(random_, count);
      const KeyRuns::Keys piece = handed_over(keys);
      ASSERT_TRUE(runs.add({&piece, 1}).ok());
      EXPECT_EQ(runs.size(), static_cast<int64_t>(count));
      EXPECT_EQ(found_in(runs, hashes_of(keys)), keys);
      std::vector<uint64_t> others(2'000);
      std::generate(others.begin(), others.end(), [this] { return random_(); });
      EXPECT_TRUE(found_in(runs, others).empty());
    }
  }
}

TEST_F(KeyRunsTest, EqualHashesOverSeveralSegmentsAreAllFound) {
  std::vector<Key> keys = random_keys(random_, 1'000);
  for (std::size_t i = 100; i < 800; ++i) {
    keys[i] = {keys[100].hash, std::to_string(i), static_cast<int64_t>(i), 0, 0};
  }
  std::sort(keys.begin(), keys.end());
  KeyRuns runs(folder_.path(), 0);
  const KeyRuns::Keys piece = handed_over(keys);
  ASSERT_TRUE(runs.add({&piece, 1}).ok());
  EXPECT_EQ(found_in(runs, hashes_of(keys)), keys);
}

TEST_F(KeyRunsTest, ManyRunsBecomeFewAndLoseNothing) {
  KeyRuns runs(folder_.path(), std::size_t{1} << 14);
  std::vector<Key> all;
  for (int turn = 0; turn < 300; ++turn) {
    const std::vector<Key> keys = random_keys(random_, 1 + random_() % 300);
    const KeyRuns::Keys piece = handed_over(keys);
    ASSERT_TRUE(runs.add({&piece, 1}).ok());
    all.insert(all.end(), keys.begin(), keys.end());
    std::vector<Key> asked;
    std::sample(all.begin(), all.end(), std::back_inserter(asked), random_() % 200, random_);
    std::vector<Key> found = found_in(runs, hashes_of(asked));
    std::sort(asked.begin(), asked.end());
    EXPECT_TRUE(std::includes(found.begin(), found.end(), asked.begin(), asked.end()));
    EXPECT_LE(runs.count(), 40U);
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(found_in(runs, hashes_of(all)), all);
  EXPECT_EQ(runs.size(), static_cast<int64_t>(all.size()));
}

TEST_F(KeyRunsTest, RunsOutsideGoAlsoWhileTheyAreMerged) {
  KeyRuns runs(folder_.path(), 0);
  std::vector<Key> kept;
  for (int64_t turn = 0; turn < 38; ++turn) {
    std::vector<Key> keys = random_keys(random_, 50);
    for (Key& key : keys) {
      key.time = turn * 1'000;
    }
    const KeyRuns::Keys piece = handed_over(keys);
    ASSERT_TRUE(runs.add({&piece, 1}).ok());
    (void)found_in(runs, {0});  // a merge goes on by one key
    if (turn >= 4) {
      kept.insert(kept.end(), keys.begin(), keys.end());
    }
  }
  const TimeRange range[] = {{{4'000}, {1'000'000}}};
  EXPECT_EQ(runs.drop_outside(range).size(), 4U);
  std::sort(kept.begin(), kept.end());
  EXPECT_EQ(found_in(runs, hashes_of(kept)), kept);
  EXPECT_EQ(runs.drop_outside({}).size(), 34U);
  EXPECT_TRUE(runs.empty());
  EXPECT_EQ(runs.bytes(), 0U);
}

TEST_F(KeyRunsTest, OnlyRunsNearTheTimeAreAsked) {
  const std::vector<Key> keys = {{7, "a", 1'000, 1, 0}};
  KeyRuns runs(folder_.path(), 0);
  const KeyRuns::Keys piece = handed_over(keys);
  ASSERT_TRUE(runs.add({&piece, 1}).ok());
  const auto finds = [&](int64_t time) {
    bool found = false;
    EXPECT_TRUE(
        runs.find({{7, {time}}}, Duration{10}, [&](const AcceptedKey&) { found = true; }).ok());
    return found;
  };
  EXPECT_TRUE(finds(990));
  EXPECT_TRUE(finds(1'010));
  EXPECT_FALSE(finds(989));
  EXPECT_FALSE(finds(1'011));
}

/// No file of this process may grow beyond so many bytes: the disk is full.
void set_room(rlim_t bytes) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = std::min(bytes, limit.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST_F(KeyRunsTest, AFullDiskIsToldAndEndsNoLookUp) {
  std::signal(SIGXFSZ, SIG_IGN);
  KeyRuns runs(folder_.path(), 0);
  std::vector<Key> all;
  const auto add = [&] {
    const std::vector<Key> keys = random_keys(random_, 100);
    const KeyRuns::Keys piece = handed_over(keys);
    const Status added = runs.add({&piece, 1});
    if (added.ok()) {
      all.insert(all.end(), keys.begin(), keys.end());
    }
    return added;
  };
  while (runs.count() < 31) {
    ASSERT_TRUE(add().ok());
  }
  set_room(15'000);  // for a run, not for several that are merged
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(add().ok());
    (void)found_in(runs, hashes_of(all));  // tells when it fails
  }
  set_room(1'000);
  EXPECT_EQ(add().code(), Code::kResourceExhausted);
  set_room(RLIM_INFINITY);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(runs.size(), static_cast<int64_t>(all.size()));
  EXPECT_EQ(found_in(runs, hashes_of(all)), all);
}

TEST_F(KeyRunsTest, WithoutAFolderNothingIsKept) {
  KeyRuns runs(folder_.file("nowhere"), 0);
  const std::vector<Key> keys = random_keys(random_, 10);
  const KeyRuns::Keys piece = handed_over(keys);
  EXPECT_EQ(runs.add({&piece, 1}).code(), Code::kNotFound);
  EXPECT_TRUE(runs.empty());
}

}  // namespace
}  // namespace assay::bronze
