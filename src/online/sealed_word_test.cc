#include "online/sealed_word.h"

#include <random>

#include <gtest/gtest.h>

namespace assay::online {
namespace {

TEST(SealedWord, WhatIsSealedComesBack) {
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{77} << 40, kSealedNumberMax}) {
    EXPECT_EQ(unseal_number(seal_number(number, 5), 5), number);
  }
  for (const uint64_t hash : {uint64_t{0}, uint64_t{1}, (uint64_t{1} << 48) - 1}) {
    EXPECT_EQ(unseal_hash(seal_hash(hash)), hash);
  }
}

TEST(SealedWord, AnyChangeOfAnyOneByteIsFoundOut) {
  std::mt19937_64 random(20261128);
  for (int round = 0; round < 200; ++round) {
    const uint64_t salt = random();
    const uint64_t number = seal_number(random() & kSealedNumberMax, salt);
    const uint64_t hash = seal_hash(random() >> 16);
    for (int byte = 0; byte < 8; ++byte) {
      for (uint64_t change = 1; change < 256; ++change) {
        ASSERT_FALSE(unseal_number(number ^ change << (8 * byte), salt).has_value());
        ASSERT_FALSE(unseal_hash(hash ^ change << (8 * byte)).has_value());
      }
    }
  }
}

// Words as docs/formats/hash_log.md has them, computed elsewhere.
TEST(SealedWord, WordsOnDiskStayWhatTheyWere) {
  EXPECT_EQ(seal_number(0, 0), 0x9AEAU);
  EXPECT_EQ(seal_number(0x123456789ABC, 5), 0x123456789ABCA380U);
  EXPECT_EQ(seal_hash(0x123456789ABC), 0x123456789ABC4988U);
}

TEST(SealedWord, ZeroesAndAWordOfAnotherPlaceAreFoundOut) {
  EXPECT_FALSE(unseal_number(0, 1).has_value());
  EXPECT_FALSE(unseal_hash(0).has_value());
  EXPECT_FALSE(unseal_number(seal_number(9, 1), 2).has_value());
}

}  // namespace
}  // namespace assay::online
