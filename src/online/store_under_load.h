#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "online/fake_view.h"
#include "online/online_store.h"

// One writer at full speed and readers beside it. All features of an entity are set to the number
// of the round that wrote it last, entities in pairs. What must hold of every read:
//
//   whole         a row has one number only, and the two of a pair have the same in one read
//   not old       no number below that of the last round that was acknowledged before the read, nor
//                 below one that this reader has seen
//   not invented  no number of a round that had not begun when the read was over

namespace assay::online {

class StoreUnderLoad {
 public:
  static constexpr int kPairs = 1000;
  static constexpr int kPairsARound = 50;
  static constexpr int kFeatures = 8;
  static constexpr int kKeysMax = 20;  // of a read

  struct Seen {
    int64_t rounds = 0;
    int64_t reads = 0;
  };

  explicit StoreUnderLoad(OnlineStore& store) : store_(store), acknowledged_(kPairs) {}

  /// Read all pairs of a store that another process writes, until `goes_on` says no: whether every
  /// one was whole, and none older than one that was seen before.
  static bool reads_well(OnlineStore& store, const std::function<bool()>& goes_on) {
    const FakeView view = view_of_pairs();
    std::vector<data::EntityKey> keys;
    for (const int pair : all_pairs()) {
      keys.push_back(fake_key("a" + std::to_string(pair)));
      keys.push_back(fake_key("b" + std::to_string(pair)));
    }
    std::vector<double> seen(kPairs, -1);
    while (goes_on()) {
      const auto answers = store.read(view, keys, EventTime{int64_t{1} << 40});
      for (std::size_t i = 0; answers.ok() && i < keys.size(); ++i) {
        const auto* value = std::get_if<double>(&(*answers)[i].values[0].value);
        double& before = seen[i / 2];
        const double round = value != nullptr ? *value : -1;
        const auto& all = (*answers)[i].values;
        if (round < before || (i % 2 == 1 && round != before) ||
            std::any_of(all.begin(), all.end(), [&](const data::Scalar& one) {
              return value != nullptr && one != data::Scalar::float64(round);
            })) {
          return false;
        }
        before = round;
      }
      if (!answers.ok()) {
        return false;
      }
    }
    return true;
  }

  /// Write rounds until `goes_on(round)` says no, with readers beside.
  Seen run(int readers, const std::function<bool(int64_t round)>& goes_on) {
    EXPECT_TRUE(store_.apply(view_, rows_of(all_pairs(), 0), {}, 0, EventTime{1}).ok());
    std::vector<std::jthread> threads;
    for (int reader = 0; reader < readers; ++reader) {
      threads.emplace_back([this, reader] { read_until_done(static_cast<uint64_t>(reader) + 1); });
    }
    const std::unique_ptr<Random> random = seeded_random(7);
    for (int64_t round = 1; goes_on(round); ++round) {
      std::vector<int> pairs;
      for (int i = 0; i < kPairsARound; ++i) {
        pairs.push_back(static_cast<int>(random->below(kPairs)));
      }
      const data::Batch rows = rows_of(pairs, round);
      begun_.store(round);
      const Status done = store_.apply(view_, rows, round - 1, round, EventTime{round});
      if (!done.ok()) {
        ADD_FAILURE() << done.to_string();
        break;
      }
      for (const int pair : pairs) {
        acknowledged_[static_cast<std::size_t>(pair)].store(round);
      }
    }
    done_ = true;
    threads.clear();
    EXPECT_EQ(failed_reads_, 0);
    EXPECT_EQ(torn_, 0) << "rows or pairs of two rounds";
    EXPECT_EQ(old_, 0) << "rows older than what was acknowledged or seen before";
    EXPECT_EQ(invented_, 0) << "rows of rounds that had not begun";
    return {begun_, reads_};
  }

 private:
  static std::vector<int> all_pairs() {
    std::vector<int> pairs;
    for (int pair = 0; pair < kPairs; ++pair) {
      pairs.push_back(pair);
    }
    return pairs;
  }
  [[nodiscard]] data::Batch rows_of(const std::vector<int>& pairs, int64_t round) const {
    std::vector<FakeRow> rows;
    for (const int pair : pairs) {
      for (const char* const half : {"a", "b"}) {
        rows.push_back({half + std::to_string(pair), round, round, {}});
        rows.back().features.assign(kFeatures, static_cast<double>(round));
      }
    }
    return fake_batch(view_, rows, round);
  }

  void read_until_done(uint64_t seed) {
    const std::unique_ptr<Random> random = seeded_random(seed);
    std::vector<int64_t> seen(kPairs, 0);
    for (bool last = false; !last;) {
      last = done_;
      const auto count = static_cast<std::size_t>(1 + random->below(kKeysMax / 2));
      std::vector<std::size_t> pairs;
      std::vector<data::EntityKey> keys;
      std::vector<int64_t> floor;
      for (std::size_t i = 0; i < count; ++i) {
        pairs.push_back(random->below(kPairs));
        floor.push_back(std::max(seen[pairs[i]], acknowledged_[pairs[i]].load()));
        keys.push_back(fake_key("a" + std::to_string(pairs[i])));
        keys.push_back(fake_key("b" + std::to_string(pairs[i])));
      }
      const auto answers = store_.read(view_, keys, EventTime{int64_t{1} << 40});
      const int64_t begun = begun_;
      ++reads_;
      if (!answers.ok()) {
        ++failed_reads_;
        continue;
      }
      for (std::size_t i = 0; i < count; ++i) {
        const auto* first = std::get_if<double>(&(*answers)[2 * i].values[0].value);
        if (first == nullptr) {
          ++old_;
          continue;
        }
        for (const std::size_t half : {2 * i, 2 * i + 1}) {
          for (const data::Scalar& value : (*answers)[half].values) {
            torn_ += value == data::Scalar::float64(*first) ? 0 : 1;
          }
        }
        const auto round = static_cast<int64_t>(*first);
        old_ += round < floor[i] ? 1 : 0;
        invented_ += round > begun ? 1 : 0;
        seen[pairs[i]] = round;
      }
    }
  }

  static FakeView view_of_pairs() {
    return FakeView("pairs", {{"user_id", data::Type::kString}}, kFeatures);
  }

  const FakeView view_ = view_of_pairs();
  OnlineStore& store_;
  std::vector<std::atomic<int64_t>> acknowledged_;
  std::atomic<int64_t> begun_{0};
  std::atomic<bool> done_{false};
  std::atomic<int64_t> reads_{0};
  std::atomic<int64_t> failed_reads_{0};
  std::atomic<int64_t> torn_{0};
  std::atomic<int64_t> old_{0};
  std::atomic<int64_t> invented_{0};
};

}  // namespace assay::online
