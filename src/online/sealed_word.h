#pragma once

#include <cstdint>
#include <optional>

#include "online/crc32c.h"

// Words of eight bytes that many processes read while one writes them: a word changes at once or
// not at all, so each has to carry its own checksum.
//
//   sealed number   bits 63..16 number, 15..0 checksum of number and salt
//   sealed hash     bits 63..16 hash, 15..0 checksum of the hash
//
// Every change of one byte of a word is found out (sealed_word_test.cc tries them all).

namespace assay::online {

inline constexpr uint64_t kSealedNumberMax = (uint64_t{1} << 48) - 1;

namespace internal {

inline uint32_t checksum_of(uint64_t value, uint64_t salt) {
  return crc32c(salt, value);
}

}  // namespace internal

/// `salt` says what the number is of: the same word elsewhere is found out too.
inline uint64_t seal_number(uint64_t number, uint64_t salt) {
  return number << 16 | (internal::checksum_of(number, salt) & 0xFFFF);
}
/// Nothing when the word was damaged.
inline std::optional<uint64_t> unseal_number(uint64_t word, uint64_t salt) {
  const uint64_t number = word >> 16;
  return seal_number(number, salt) == word ? std::optional<uint64_t>(number) : std::nullopt;
}

/// `hash` has 48 bits.
inline uint64_t seal_hash(uint64_t hash) {
  return hash << 16 | (internal::checksum_of(hash, 0x6861736820736C6F) & 0xFFFF);
}
inline std::optional<uint64_t> unseal_hash(uint64_t word) {
  const uint64_t hash = word >> 16;
  return seal_hash(hash) == word ? std::optional<uint64_t>(hash) : std::nullopt;
}

}  // namespace assay::online
