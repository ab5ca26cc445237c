#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "data/entity_key.h"
#include "data/partition.h"
#include "online/row_arena.h"

namespace assay::online {

/// Rows by entity, in memory. Slots of a hash table say where an entity's entry is. Entries stay in
/// place, those of entities that were let go too, until there are as many of these as others and
/// shrink() is called. All of it lies in large blocks: rows are found in no order, and few pages
/// lead to them.
///
///   slots     tag | place     an entry of 64 bytes     its row, a piece of the arena
///   entries   block b holds 64 * 2^b of them, so that none is ever moved
///
/// Threads one thread at a time; any number while nothing is changed.
class RowTable {
 public:
  struct alignas(64) Entry {
    data::EntityKey key;
    uint64_t hash = 0;
    RowArena::Piece piece;
    uint32_t size = 0;
    bool is_held = false;

    [[nodiscard]] std::string_view row() const { return {piece.bytes, size}; }
  };
  static uint64_t hash_of(const data::EntityKey& key) { return hash_bytes(key.bytes()); }

  RowTable() = default;
  ~RowTable() { destroy_entries(); }
  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  [[nodiscard]] const Entry* find(const data::EntityKey& key) const {
    if (count_ == 0) {
      return nullptr;
    }
    const uint32_t place = slots_[slot_of(hash_of(key), key)].place;
    return place == 0 || !at(place - 1).is_held ? nullptr : &at(place - 1);
  }
  /// The entity's entry, made if there is none.
  Entry& entry_of(uint64_t hash, const data::EntityKey& key) {
    if (slots_.size() < count_ * 2 + 2) {
      make_slots(std::max(slots_.size() * 2, kSlotsMin));
    }
    Slot& slot = slots_[slot_of(hash, key)];
    if (slot.place == 0) {
      Entry& entry = add_entry();
      entry.key = key;
      entry.hash = hash;
      slot = {tag_of(hash), static_cast<uint32_t>(count_)};
    }
    return at(slot.place - 1);
  }
  /// The entry's row is this from now on; not bytes of the table's own.
  void set(Entry* entry, std::string_view row) {
    ASSAY_CHECK(row.size() < uint32_t{1} << 31);
    if (entry->piece.room < row.size()) {
      arena_.give(entry->piece);
      entry->piece = arena_.take(row.size());
    }
    if (!row.empty()) {
      std::memcpy(entry->piece.bytes, row.data(), row.size());
    }
    entry->size = static_cast<uint32_t>(row.size());
    held_ += entry->is_held ? 0 : 1;
    entry->is_held = true;
  }
  /// The entity has no row any more; the row's memory is given back.
  void let_go(Entry* entry) {
    held_ -= entry->is_held ? 1 : 0;
    entry->is_held = false;
    arena_.give(std::exchange(entry->piece, {}));
    entry->size = 0;
  }
  /// Give back what entities that were let go take, once they are half of all. Entries move then.
  void shrink() {
    if (count_ < kSlotsMin || held_ * 2 > count_) {
      return;
    }
    RowTable fresh;
    fresh.make_slots(std::max(std::bit_ceil(held_ * 2 + 2), kSlotsMin));
    for_each([&](const Entry& entry) {
      if (entry.is_held) {
        fresh.set(&fresh.entry_of(entry.hash, entry.key), entry.row());
      }
    });
    std::swap(slots_, fresh.slots_);
    std::swap(blocks_, fresh.blocks_);
    std::swap(count_, fresh.count_);
    std::swap(held_, fresh.held_);
    std::swap(arena_, fresh.arena_);
  }

  /// Call `use(entry)` for each, also those of entities that were let go.
  template <typename Use>
  void for_each(Use use) const {
    for (std::size_t place = 0; place < count_; ++place) {
      use(at(place));
    }
  }
  /// How many entries there are.
  [[nodiscard]] std::size_t size() const { return count_; }
  Entry& at(std::size_t place) {
    const auto [block, index] = where(place);
    return blocks_[block][index];
  }
  [[nodiscard]] const Entry& at(std::size_t place) const {
    const auto [block, index] = where(place);
    return blocks_[block][index];
  }

  /// What a look-up will ask memory for, step by step.
  void fetch_slot(uint64_t hash) const {
    if (slots_.size() != 0) {
      __builtin_prefetch(&slots_[home_of(hash)]);
    }
  }
  void fetch_entry(uint64_t hash) const {
    if (const Entry* entry = likely_entry(hash)) {
      __builtin_prefetch(entry);
    }
  }
  void fetch_row(uint64_t hash) const {
    if (const Entry* entry = likely_entry(hash)) {
      constexpr std::size_t kLine = 64;
      constexpr std::size_t kLinesMax = 8;  // what comes behind them is fetched by itself
      const std::size_t bytes = std::min<std::size_t>(entry->size, kLinesMax * kLine);
      for (std::size_t at = 0; at < bytes; at += kLine) {
        __builtin_prefetch(entry->piece.bytes + at);
      }
    }
  }

 private:
  struct Slot {
    uint32_t tag = 0;    // of the key's hash
    uint32_t place = 0;  // of the entry, from 1; 0: free
  };
  struct Where {
    std::size_t block;
    std::size_t index;
  };
  static constexpr std::size_t kSlotsMin = 64;
  static constexpr std::size_t kFirstBlock = 64;  // entries

  static Where where(std::size_t place) {
    const std::size_t number = place / kFirstBlock + 1;
    const auto block = static_cast<std::size_t>(std::bit_width(number)) - 1;
    return {block, place - ((std::size_t{1} << block) - 1) * kFirstBlock};
  }
  Entry& add_entry() {
    const auto [block, index] = where(count_);
    if (block == blocks_.size()) {
      blocks_.emplace_back(kFirstBlock << block);
    }
    ++count_;
    return *::new (static_cast<void*>(&blocks_[block][index])) Entry();
  }
  void destroy_entries() {
    for (std::size_t place = 0; place < count_; ++place) {
      at(place).~Entry();
    }
  }

  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  [[nodiscard]] std::size_t home_of(uint64_t hash) const { return hash & (slots_.size() - 1); }
  /// The entry of that hash, as far as its tag tells.
  [[nodiscard]] const Entry* likely_entry(uint64_t hash) const {
    if (slots_.size() == 0) {
      return nullptr;
    }
    std::size_t slot = home_of(hash);
    while (slots_[slot].place != 0 && slots_[slot].tag != tag_of(hash)) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return slots_[slot].place == 0 ? nullptr : &at(slots_[slot].place - 1);
  }
  /// The slot that holds the key, or the free one where it would be put.
  [[nodiscard]] std::size_t slot_of(uint64_t hash, const data::EntityKey& key) const {
    std::size_t slot = home_of(hash);
    while (slots_[slot].place != 0 &&
           (slots_[slot].tag != tag_of(hash) || at(slots_[slot].place - 1).key != key)) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
  }
  void make_slots(std::size_t count) {
    slots_ = data::Records<Slot>(count);
    std::fill(slots_.data(), slots_.data() + count, Slot());
    for (std::size_t place = 0; place < count_; ++place) {
      const uint64_t hash = at(place).hash;
      std::size_t slot = home_of(hash);
      while (slots_[slot].place != 0) {
        slot = (slot + 1) & (slots_.size() - 1);
      }
      slots_[slot] = {tag_of(hash), static_cast<uint32_t>(place + 1)};
    }
  }

  data::Records<Slot> slots_;
  std::vector<data::Records<Entry>> blocks_;
  std::size_t count_ = 0;
  std::size_t held_ = 0;
  RowArena arena_;
};

}  // namespace assay::online
