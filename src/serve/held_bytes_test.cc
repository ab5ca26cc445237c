#include "serve/held_bytes.h"

#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::serve {
namespace {

constexpr std::size_t kMiB = 1 << 20;

TEST(HeldBytes, WhatDoesNotFitIsNotTakenAndLittleIsNotCounted) {
  ByteBudget budget(2 * kMiB);
  HeldBytes one(budget);
  HeldBytes other(budget);
  EXPECT_TRUE(one.hold(kMiB + 1));
  EXPECT_FALSE(other.hold(kMiB));
  EXPECT_TRUE(other.hold(HeldBytes::kUncountedMax));
  EXPECT_TRUE(one.hold(2 * kMiB)) << "little is not counted";
  EXPECT_FALSE(one.hold(2 * kMiB + 1));
  EXPECT_FALSE(other.hold(HeldBytes::kUncountedMax + 1)) << "it still holds what it held";
  one.release();
  EXPECT_TRUE(other.hold(2 * kMiB));
  EXPECT_FALSE(budget.take(1));
  HeldBytes strict(budget, 4 << 10);
  EXPECT_TRUE(strict.hold(4 << 10));
  EXPECT_FALSE(strict.hold((4 << 10) + 1)) << "who says so counts less";
}

TEST(HeldBytes, AConnectionThatEndsGivesAllBack) {
  ByteBudget budget(kMiB);
  {
    HeldBytes held(budget);
    ASSERT_TRUE(held.hold(kMiB));
  }
  EXPECT_TRUE(budget.take(kMiB));
}

TEST(HeldBytes, ThreadsNeverHoldMoreThanThereIs) {
  constexpr std::size_t kMax = 5 * kMiB;  // less than one thread may ask for
  ByteBudget budget(kMax);
  std::atomic<std::size_t> sum{0};  // the twin, of those that were let
  std::atomic<int> refused{0};
  std::vector<std::jthread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      const auto random = seeded_random(seed);
      std::array<std::optional<HeldBytes>, 4> held;
      std::array<std::size_t, 4> bytes{};
      for (int i = 0; i < 20'000; ++i) {
        const auto at = static_cast<std::size_t>(random->below(held.size()));
        sum -= bytes[at];  // before it is given back
        bytes[at] = 0;
        held[at].emplace(budget);
        const auto wanted = static_cast<std::size_t>(random->below(2 * kMiB));
        if (!held[at]->hold(wanted)) {
          ++refused;
        } else if (wanted > HeldBytes::kUncountedMax) {
          bytes[at] = wanted;
          EXPECT_LE(sum += wanted, kMax);
        }
      }
      for (const std::size_t left : bytes) {
        sum -= left;
      }
    });
  }
  threads.clear();
  EXPECT_GT(refused, 0);
  EXPECT_TRUE(budget.take(kMax)) << "all was given back";
}

}  // namespace
}  // namespace assay::serve
