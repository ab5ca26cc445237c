#include "data/run_lengths.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::data {
namespace {

/// Bits [begin, begin + width) of bytes, lowest first.
uint32_t bits_at(const std::string& bytes, std::size_t begin, int width) {
  uint32_t value = 0;
  for (int bit = 0; bit < width; ++bit) {
    const std::size_t at = begin + static_cast<std::size_t>(bit);
    const int is_set = static_cast<unsigned char>(bytes.at(at / 8)) >> (at % 8) & 1;
    value |= static_cast<uint32_t>(is_set) << bit;
  }
  return value;
}

/// The format's description, word by word.
std::vector<uint32_t> naive_read(const std::string& bytes, std::size_t count, int width) {
  std::vector<uint32_t> values;
  std::size_t at = 0;
  while (values.size() < count) {
    uint64_t head = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes.at(at++));
      head |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) {
        break;
      }
    }
    if ((head & 1) == 0) {
      const uint32_t value = bits_at(bytes, at * 8, width);
      at += static_cast<std::size_t>((width + 7) / 8);
      values.insert(values.end(), head >> 1, value);
      continue;
    }
    for (uint64_t i = 0; i < (head >> 1) * 8; ++i) {
      values.push_back(bits_at(bytes, at * 8 + i * static_cast<uint64_t>(width), width));
    }
    at += (head >> 1) * static_cast<std::size_t>(width);
  }
  EXPECT_EQ(at, bytes.size());
  EXPECT_LT(values.size() - count, 8U) << "more than one group is not full";
  values.resize(count);
  return values;
}

TEST(RunLengths, WhatTheFormatsDescriptionReads) {
  const auto random = seeded_random(7);
  for (int round = 0; round < 400; ++round) {
    const int width = 1 + static_cast<int>(random->below(32));
    const uint64_t stay = random->below(3) == 0 ? 0 : random->below(60);  // length of runs
    std::vector<uint32_t> values(random->below(3'000));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool same = i > 0 && stay > 0 && random->below(stay) != 0;
      values[i] = same ? values[i - 1]
                       : static_cast<uint32_t>(random->next() & ((uint64_t{1} << width) - 1));
    }
    std::string bytes;
    append_run_lengths(bytes, std::span<const uint32_t>(values), width);
    ASSERT_EQ(naive_read(bytes, values.size(), width), values) << "round " << round;
    std::vector<uint32_t> read(values.size());
    ASSERT_TRUE(read_run_lengths(bytes, width, std::span(read))) << "round " << round;
    ASSERT_EQ(read, values) << "round " << round;
    if (!bytes.empty()) {
      bytes.pop_back();
      ASSERT_FALSE(read_run_lengths(bytes, width, std::span(read))) << "round " << round;
    }
  }
}

TEST(RunLengths, BytesAndWordsAreWrittenAlike) {
  const std::vector<uint8_t> levels(1'000, 1);
  const std::vector<uint32_t> words(1'000, 1);
  std::string of_levels;
  std::string of_words;
  append_run_lengths(of_levels, std::span<const uint8_t>(levels), 1);
  append_run_lengths(of_words, std::span<const uint32_t>(words), 1);
  EXPECT_EQ(of_levels, of_words);
  EXPECT_EQ(of_levels, std::string("\xD0\x0F\x01"));
}

TEST(RunLengths, TheFormatsOwnExampleOfPackedValues) {
  std::string bytes;
  const std::vector<uint32_t> values{0, 1, 2, 3, 4, 5, 6, 7};
  append_run_lengths(bytes, std::span<const uint32_t>(values), 3);
  EXPECT_EQ(bytes, "\x03\x88\xC6\xFA");
}

}  // namespace
}  // namespace assay::data
