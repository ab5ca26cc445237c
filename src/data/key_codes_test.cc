#include "data/key_codes.h"

#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace assay::data {
namespace {

using Keys = std::vector<std::optional<std::string>>;

ColumnPtr texts(const Keys& keys) {
  ColumnBuilder builder(Type::kString);
  for (const std::optional<std::string>& key : keys) {
    key ? builder.append_text(*key) : builder.append_null();
  }
  return builder.finish();
}

ColumnPtr times(std::size_t size) {
  ColumnBuilder builder(Type::kTimestamp);
  for (std::size_t i = 0; i < size; ++i) {
    builder.append<int64_t>(0);
  }
  return builder.finish();
}

/// A dictionary of one text key, or of a text and a whole number that is its length, and its twin:
/// the code that each key got when it was put.
class Twins {
 public:
  explicit Twins(bool composite)
      : composite_(composite),
        dictionary_(composite ? std::vector<Type>{Type::kString, Type::kInt64}
                              : std::vector<Type>{Type::kString}) {}

  void put(const Keys& keys, int threads) {
    const KeyCodes coded = codes_of(keys, threads, [&](auto& columns, KeyCodes& codes) {
      dictionary_.put(columns, codes, threads);
    });
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(coded.skips(i), !keys[i]);
      if (keys[i]) {
        const auto [at, added] = codes_.emplace(*keys[i], coded.codes[i]);
        ASSERT_EQ(at->second, coded.codes[i]) << *keys[i];
        if (added) {
          ASSERT_TRUE(keys_.emplace(coded.codes[i], *keys[i]).second) << *keys[i];
        }
      }
    }
  }

  void find(const Keys& keys, int threads) {
    const KeyCodes coded = codes_of(keys, threads, [&](auto& columns, KeyCodes& codes) {
      dictionary_.find(columns, codes, threads);
    });
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto known = keys[i] ? codes_.find(*keys[i]) : codes_.end();
      if (known != codes_.end()) {
        ASSERT_FALSE(coded.skips(i)) << *keys[i];
        ASSERT_EQ(coded.codes[i], known->second) << *keys[i];
      } else if (!keys[i] || composite_ || keys[i]->size() > 7) {
        ASSERT_TRUE(coded.skips(i)) << keys[i].value_or("null");
      }
    }
  }

 private:
  template <typename Use>
  KeyCodes codes_of(const Keys& keys, int threads, Use use) {
    held_ = {texts(keys), times(keys.size())};
    ColumnBuilder sizes(Type::kInt64);
    for (const std::optional<std::string>& key : keys) {
      sizes.append(static_cast<int64_t>(key.value_or("").size()));
    }
    held_.push_back(sizes.finish());
    std::vector<const Column*> columns = {held_[0].get()};
    if (composite_) {
      columns.push_back(held_[2].get());
    }
    KeyCodes coded = make_key_codes(columns, {held_[1].get()}, threads);
    use(columns, coded);
    return coded;
  }

  bool composite_;
  KeyDictionary dictionary_;
  std::unordered_map<std::string, Code64> codes_;
  std::unordered_map<Code64, std::string> keys_;
  std::vector<ColumnPtr> held_;
};

/// Short, eight, nine, up to twenty-four and forty bytes; now and then a null.
std::optional<std::string> some_key(std::mt19937_64& random, uint64_t different) {
  const std::string number = std::to_string(random() % different);
  switch (random() % 8) {
    case 0:
      return std::nullopt;
    case 1:
      return number.substr(0, 7);
    case 2:
      return std::string(8 - std::min<std::size_t>(number.size(), 8), 'a') + number;
    case 3:
      return std::string(9 - std::min<std::size_t>(number.size(), 9), 'b') + number;
    case 4:
      return std::string(10 + random() % 15 - std::min<std::size_t>(number.size(), 10), 'd') +
             number;
    default:
      return std::string(40 - number.size(), 'c') + number;
  }
}

Keys some_keys(std::mt19937_64& random, std::size_t count, uint64_t different) {
  Keys keys(count);
  for (std::optional<std::string>& key : keys) {
    key = some_key(random, different);
  }
  return keys;
}

TEST(KeyDictionary, GivesEachKeyACodeOfItsOwn) {
  for (const bool composite : {false, true}) {
    std::mt19937_64 random(7);
    Twins twins(composite);
    twins.find(some_keys(random, 100, 100), 2);  // nothing is known yet
    twins.put(some_keys(random, 60'000, 100'000), 1);
    twins.put(some_keys(random, 60'000, 100'000), 3);
    twins.find(some_keys(random, 60'000, 200'000), 1);
    twins.find(some_keys(random, 60'000, 200'000), 3);
  }
}

TEST(KeyDictionary, FindsInBlocksOfAnySize) {
  std::mt19937_64 random(8);
  for (const bool composite : {false, true}) {
    Twins twins(composite);
    twins.put(some_keys(random, 100, 50), 1);
    for (const std::size_t size : {0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 130}) {
      for (int threads = 1; threads <= 3; ++threads) {
        twins.find(some_keys(random, size, 70), threads);
        twins.put(some_keys(random, size, 70), threads);
      }
    }
  }
}

}  // namespace
}  // namespace assay::data
