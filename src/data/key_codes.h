#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "data/column.h"

// Keys of entities as 64-bit codes, for joins that touch millions of rows: equal keys have equal
// codes. Not for disk or wire; EntityKey is.

namespace assay::data {

using Code64 = uint64_t;

/// How far equal codes prove equal keys.
enum class CodeMeaning {
  kKey,           // always: the code is the value
  kKeyWhenShort,  // unless the top byte is 0xff: a text of up to 7 bytes packed, or a hash
  kHash,          // never
};

/// Top byte of the code of a text that is longer than 7 bytes.
constexpr Code64 kLongText = Code64{0xff} << 56;

/// The codes of the rows of one side of a join.
struct KeyCodes {
  std::span<const Code64> codes;  // the key column itself where that will do; it must outlive this
  std::vector<uint8_t> skip;      // 1 where a key or time is null; empty when there is none
  std::vector<Code64> owned;
};

/// Codes of the rows of `keys`, and the rows where any of `keys` or `times` is null. No key columns
/// give every row code 0. Floating-point columns are not taken.
KeyCodes make_key_codes(const std::vector<const Column*>& keys,
                        std::initializer_list<const Column*> times);

/// What the codes of these columns prove.
CodeMeaning meaning_of_codes(const std::vector<const Column*>& keys);

/// True when the keys of two rows are equal; the columns' types are.
bool equal_keys(const std::vector<const Column*>& a,
                int64_t row_a,
                const std::vector<const Column*>& b,
                int64_t row_b);

/// Every bit of the code moves every bit of the result; two codes never give one result.
inline uint64_t scramble(Code64 code) {
  code ^= code >> 32;
  code *= 0xd6e8feb86659fd93ULL;
  code ^= code >> 32;
  code *= 0xd6e8feb86659fd93ULL;
  return code ^ (code >> 32);
}

}  // namespace assay::data
