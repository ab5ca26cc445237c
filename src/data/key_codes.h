#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/column.h"
#include "data/partition.h"

// Keys of entities as 64-bit codes, for joins that touch millions of rows. Not for disk or wire;
// EntityKey is.

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
  Records<Code64> owned;

  [[nodiscard]] bool skips(std::size_t row) const { return !skip.empty() && skip[row] != 0; }
};

/// Codes of the rows of `keys`, and the rows where any of `keys` or `times` is null. No key columns
/// give every row code 0. Floating-point columns are not taken.
KeyCodes make_key_codes(const std::vector<const Column*>& keys,
                        std::initializer_list<const Column*> times,
                        int threads = 1);

/// What the codes of columns of these types prove.
CodeMeaning meaning_of_codes(const std::vector<Type>& key_types);

/// Every bit of the code moves every bit of the result; two codes never give one result.
inline uint64_t scramble(Code64 code) {
  code ^= code >> 32;
  code *= 0xd6e8feb86659fd93ULL;
  code ^= code >> 32;
  code *= 0xd6e8feb86659fd93ULL;
  return code ^ (code >> 32);
}

/// Gives keys whose codes are hashes codes that are theirs alone: the number of the key, found by
/// comparing its bytes. Codes that prove their keys already stay as they are.
///
/// Threads put and find: one call at a time; each uses the threads it is given.
/// Cost    48 to 96 bytes of each different key, and up to twice its bytes more where it has over
///         19 of them.
class KeyDictionary {
 public:
  explicit KeyDictionary(const std::vector<Type>& key_types);
  ~KeyDictionary();
  KeyDictionary(KeyDictionary&&) noexcept;
  KeyDictionary& operator=(KeyDictionary&&) noexcept;

  /// Replace codes by numbers, taking in keys that are not known yet. Numbers depend on the order
  /// in which keys came, and on nothing else that an answer may show.
  void put(const std::vector<const Column*>& keys, KeyCodes& coded, int threads);
  /// Replace codes by numbers; rows whose key is not known are skipped.
  void find(const std::vector<const Column*>& keys, KeyCodes& coded, int threads) const;
  /// Bytes held.
  [[nodiscard]] std::size_t bytes() const;

 private:
  class Shard;
  std::vector<std::unique_ptr<Shard>> shards_;
  CodeMeaning meaning_;
};

}  // namespace assay::data
