#include "data/repeated_keys.h"

#include <functional>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace assay::data {
namespace {

std::vector<EntityKey> keys_of(std::size_t count,
                               const std::function<std::size_t(std::size_t)>& of) {
  std::vector<EntityKey> keys;
  for (std::size_t i = 0; i < count; ++i) {
    keys.emplace_back("key" + std::to_string(of(i)));
  }
  return keys;
}

/// Whether what was taken says of each key the same as before, and each of them once.
void expect_same(const std::vector<EntityKey>& given, const RepeatedKeys& taken) {
  std::map<std::string, uint32_t> naive;
  ASSERT_EQ(taken.key_of.size(), given.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto [known, is_new] =
        naive.emplace(given[i].bytes(), static_cast<uint32_t>(naive.size()));
    ASSERT_EQ(taken.key_of[i], known->second) << i;
    ASSERT_EQ(taken.keys[taken.key_of[i]], given[i]);
  }
  EXPECT_EQ(taken.keys.size(), naive.size());
}

TEST(RepeatedKeys, EachIsThereOnceInTheOrderOfTheFirst) {
  for (const std::size_t count : {257, 1000, 100'000}) {
    for (const auto& of : std::vector<std::function<std::size_t(std::size_t)>>{
             [](std::size_t) { return 7; },                       // one key
             [](std::size_t i) { return i / 40; },                // runs
             [count](std::size_t i) { return i % (count / 5); },  // a list again and again
             [](std::size_t i) { return i * i % 101; }}) {
      const std::vector<EntityKey> given = keys_of(count, of);
      std::vector<EntityKey> keys = given;
      const auto taken = take_repeated(&keys);
      ASSERT_TRUE(taken.has_value()) << count << " of " << of(1);
      expect_same(given, *taken);
    }
  }
}

TEST(RepeatedKeys, RandomOnesAreThoseOfTheNaiveTwin) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    const std::size_t count = 257 + random() % 5000;
    const std::size_t distinct = 1 + random() % 200;
    const std::vector<EntityKey> given =
        keys_of(count, [&](std::size_t) { return random() % distinct; });
    std::vector<EntityKey> keys = given;
    const auto taken = take_repeated(&keys);
    if (taken.has_value()) {
      expect_same(given, *taken);
    } else {
      EXPECT_EQ(keys, given);
    }
  }
}

TEST(RepeatedKeys, FewOrDifferentOnesAreLeft) {
  const auto different = [](std::size_t i) { return i; };
  for (const auto& given : {keys_of(0, different),
                            keys_of(kUnlookedKeysMax, [](std::size_t) { return 0; }),
                            keys_of(kUnlookedKeysMax + 1, different),
                            keys_of(100'000, different)}) {
    std::vector<EntityKey> keys = given;
    EXPECT_FALSE(take_repeated(&keys).has_value());
    EXPECT_EQ(keys, given);
  }
}

}  // namespace
}  // namespace assay::data
