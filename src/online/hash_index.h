#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "online/mapped_file.h"
#include "online/sealed_word.h"
#include "online/word_bytes.h"

// The index of the hash log: from the hash of a key to the place of its newest record. Drawn in
// docs/formats/hash_log.md.
//
// A table of slots with open addressing, in a mapped file. One process changes it while others
// read: a slot is claimed by one store (its hash, which stays) and pointed elsewhere by another,
// each a sealed word. Two keys of one hash have a slot each; who looks has to compare keys.

namespace assay::online {

inline constexpr std::size_t kIndexHeaderBytes = 64;
inline constexpr std::size_t kSlotBytes = 16;

class HashIndex {
 public:
  struct Slot {
    uint64_t number = 0;
    uint64_t place = 0;  // 0: there is no record any more
  };
  /// Walks the slots of one hash.
  ///
  /// Errors  kCorrupt: a slot is damaged; the message names file and offset.
  class Probe {
   public:
    Probe(const HashIndex& index, uint64_t hash);
    /// The next slot of that hash; nothing at the end.
    Result<std::optional<Slot>> next();

   private:
    friend class HashIndex;
    const HashIndex& index_;
    uint64_t hash_;
    uint64_t at_;
    uint64_t left_;
  };

  /// A new file with 2^bits empty slots.
  static Result<std::unique_ptr<HashIndex>> create(const std::string& path, int bits);
  /// Errors  kCorrupt: the file is no index, or has another size.
  static Result<std::unique_ptr<HashIndex>> open(const std::string& path, bool writable);

  /// A new file with the slots of another, all of them looked at; those that lead before
  /// `first_place` lead nowhere. `used`: how many are claimed.
  static Result<std::unique_ptr<HashIndex>> copy(const HashIndex& from,
                                                 const std::string& path,
                                                 uint64_t first_place,
                                                 uint64_t* used);

  [[nodiscard]] int bits() const { return bits_; }
  [[nodiscard]] uint64_t slots() const { return uint64_t{1} << bits_; }
  [[nodiscard]] const MappedFile& file() const { return *file_; }
  void prefetch(uint64_t hash) const { __builtin_prefetch(words(home(hash))); }
  /// Where the first slot of a hash leads, for who reads many and compares keys. 0: nowhere, or the
  /// slots have to be walked, which says what is damaged.
  [[nodiscard]] uint64_t first_place(uint64_t hash) const {
    uint64_t at = home(hash);
    for (uint64_t left = slots(); left > 0; --left, at = (at + 1) & (slots() - 1)) {
      uint64_t* const held = words(at);
      const uint64_t word = load_word(&held[0]);
      if (word >> 16 == hash) {
        return unseal_hash(word).has_value() ? unseal_number(load_word(&held[1]), hash).value_or(0)
                                             : 0;
      }
      if (word >> 16 == 0) {
        return 0;
      }
    }
    return 0;
  }

  /// Let `hash` lead to `place`: in the slot that leads to `previous`, else in one that leads
  /// nowhere, else in a new one. Done twice it changes nothing more. True when a slot was claimed.
  /// The caller sees to it that there is an empty slot.
  Result<bool> set(uint64_t hash, uint64_t previous, uint64_t place);
  /// What a slot holds: hash (0: empty) and place.
  struct Entry {
    uint64_t hash = 0;
    uint64_t place = 0;
  };
  [[nodiscard]] Result<Entry> entry(uint64_t number) const;
  /// The same without a word of what is wrong, for loops over all slots: nothing when damaged.
  [[nodiscard]] std::optional<Entry> sound_entry(uint64_t number) const;
  void point(uint64_t number, uint64_t hash, uint64_t place);

  /// How many slots lead somewhere.
  [[nodiscard]] Result<uint64_t> leading() const;
  /// Claim a slot for each entry of `from` that leads somewhere. How many there are.
  Result<uint64_t> copy_from(const HashIndex& from);

 private:
  HashIndex(std::unique_ptr<MappedFile> file, int bits)
      : file_(std::move(file)), first_(file_->data() + kIndexHeaderBytes), bits_(bits) {
    file_->use_large_pages();
  }
  [[nodiscard]] uint64_t home(uint64_t hash) const { return hash >> (48 - bits_); }
  [[nodiscard]] uint64_t* words(uint64_t number) const {
    return reinterpret_cast<uint64_t*>(first_ + number * kSlotBytes);
  }
  [[nodiscard]] Status damaged(uint64_t number) const;
  Status claim(uint64_t hash, uint64_t place);

  std::unique_ptr<MappedFile> file_;
  char* first_;  // slot
  int bits_;
};

/// Beginning of a file of slots, before the first: 64 bytes.
struct IndexHeader {
  int bits = 0;
  uint64_t start =
      0;  // of a checkpoint: place from which on the log was not yet taken into account
};
std::string encode_index_header(const IndexHeader& header);
Result<IndexHeader> decode_index_header(std::string_view bytes);

}  // namespace assay::online
