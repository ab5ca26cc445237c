#include "data/value_dictionary.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::data {
namespace {

/// Numbers by a map, in order of first appearance.
template <typename Value>
void expect_numbers(ValueDictionary<Value>& dictionary, const std::vector<Value>& values) {
  std::map<Value, uint32_t> known;
  std::vector<uint32_t> expected;
  for (const Value value : values) {
    expected.push_back(known.emplace(value, known.size()).first->second);
  }
  std::vector<uint32_t> numbers;
  const bool taken = dictionary.number(std::span<const Value>(values), values.size() / 2, numbers);
  const bool few_at_first =
      std::set<Value>(values.begin(),
                      values.begin() + std::min<std::ptrdiff_t>(8'192, std::ssize(values)))
              .size() <= 7'371 ||
      values.size() <= 8'192;
  ASSERT_EQ(taken, known.size() <= values.size() / 2 && few_at_first);
  if (taken) {
    numbers.resize(values.size());
    ASSERT_EQ(numbers, expected);
    ASSERT_EQ(dictionary.entries().size(), known.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_TRUE(dictionary.entries()[numbers[i]] == values[i]);
    }
  }
}

TEST(ValueDictionary, NumbersAreThoseOfAMap) {
  const auto random = seeded_random(11);
  ValueDictionary<uint32_t> words;
  ValueDictionary<uint64_t> long_words;
  ValueDictionary<Int128> wide;
  for (int round = 0; round < 20; ++round) {
    const uint64_t different = 1 + random->below(random->below(2) == 0 ? 20 : 40'000);
    const uint64_t step = uint64_t{1} << random->below(50);  // also values that differ far up
    std::vector<uint64_t> drawn(1 + random->below(30'000));
    std::generate(drawn.begin(), drawn.end(), [&] { return random->below(different) * step; });
    expect_numbers(long_words, drawn);
    expect_numbers(words, std::vector<uint32_t>(drawn.begin(), drawn.end()));
    std::vector<Int128> as_wide(drawn.begin(), drawn.end());
    for (Int128& value : as_wide) {
      value = (value << 60) - 5;
    }
    expect_numbers(wide, as_wide);
  }
}

TEST(ValueDictionary, TextsOfEveryLengthAreToldApart) {
  const auto random = seeded_random(12);
  ValueDictionary<std::string_view> texts;
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> held(1 + random->below(5'000));
    for (std::string& text : held) {
      text.assign(random->below(40), 'a');
      if (!text.empty()) {
        text[random->below(text.size())] = static_cast<char>(random->below(3));
      }
    }
    expect_numbers(texts, std::vector<std::string_view>(held.begin(), held.end()));
  }
}

/// Whoever writes rows can find as many of them as he likes.
TEST(ValueDictionary, TextsMadeToCollideAreGivenUp) {
  const auto texts_of = [](bool collide) {
    std::vector<std::string> held;
    for (uint64_t last = 0; last < 8'000; ++last) {
      const uint64_t first = collide ? value_dictionary::hash_of(last + 16) ^ 7 : last * 7;
      std::string text(16, '\0');
      std::memcpy(text.data(), &first, sizeof first);
      std::memcpy(text.data() + 8, &last, sizeof last);
      held.push_back(std::move(text));
    }
    return held;
  };
  ValueDictionary<std::string_view> dictionary;
  std::vector<uint32_t> numbers;
  const auto numbered = [&](const std::vector<std::string>& held) {
    const std::vector<std::string_view> values(held.begin(), held.end());
    return dictionary.number(std::span<const std::string_view>(values), 8'000, numbers);
  };
  EXPECT_FALSE(numbered(texts_of(true)));
  EXPECT_TRUE(numbered(texts_of(false)));
}

}  // namespace
}  // namespace assay::data
