#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "data/entity_key.h"

namespace assay::online {

/// Rows by entity, in memory. Slots of a hash table say where an entity's entry is. Entries stay in
/// place, those of entities that were let go too, until there are as many of these as others and
/// shrink() is called.
///
/// Threads one thread at a time; any number while nothing is changed.
class RowTable {
 public:
  struct Entry {
    data::EntityKey key;
    std::string row;
    bool is_held = false;
  };
  static uint64_t hash_of(const data::EntityKey& key) { return hash_bytes(key.bytes()); }

  [[nodiscard]] const Entry* find(const data::EntityKey& key) const {
    const uint32_t place = slots_.empty() ? 0 : slots_[slot_of(hash_of(key), key)].place;
    return place == 0 || !entries_[place - 1].is_held ? nullptr : &entries_[place - 1];
  }
  /// The entity's entry, made if there is none. It stays where it is until the next one is made.
  Entry& entry_of(uint64_t hash, const data::EntityKey& key) {
    if (slots_.size() < entries_.size() * 2 + 2) {
      make_slots(std::max(slots_.size() * 2, kSlotsMin));
    }
    Slot& slot = slots_[slot_of(hash, key)];
    if (slot.place == 0) {
      entries_.push_back({key, {}, false});
      slot = {tag_of(hash), static_cast<uint32_t>(entries_.size())};
    }
    return entries_[slot.place - 1];
  }
  /// The entry's row counts from now on.
  void hold(Entry* entry) {
    held_ += entry->is_held ? 0 : 1;
    entry->is_held = true;
  }
  /// The entity has no row any more; the row's memory is given back.
  void let_go(Entry* entry) {
    held_ -= entry->is_held ? 1 : 0;
    entry->is_held = false;
    std::string().swap(entry->row);
  }
  /// Give back what entities that were let go take, once they are half of all. Entries move then.
  void shrink() {
    if (entries_.size() < kSlotsMin || held_ * 2 > entries_.size()) {
      return;
    }
    std::vector<Entry> held;
    held.reserve(held_);
    for (Entry& entry : entries_) {
      if (entry.is_held) {
        held.push_back(std::move(entry));
      }
    }
    entries_ = std::move(held);
    slots_ = {};
    make_slots(std::max(std::bit_ceil(entries_.size() * 2 + 2), kSlotsMin));
  }

  /// Of entities that were let go, too.
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }
  [[nodiscard]] std::size_t place_of(const Entry& entry) const {
    return static_cast<std::size_t>(&entry - entries_.data());
  }
  Entry& at(std::size_t place) { return entries_[place]; }

  /// What a look-up will ask memory for, step by step.
  void fetch_slot(uint64_t hash) const {
    if (!slots_.empty()) {
      __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
    }
  }
  void fetch_entry(uint64_t hash) const {
    if (const Entry* entry = likely_entry(hash)) {
      __builtin_prefetch(entry);
      __builtin_prefetch(reinterpret_cast<const char*>(entry) + sizeof(Entry) - 1);
    }
  }
  void fetch_row(uint64_t hash) const {
    if (const Entry* entry = likely_entry(hash)) {
      constexpr uintptr_t kLine = 64;
      __builtin_prefetch(entry->row.data());
      // As a number, since the row may end before.
      __builtin_prefetch(
          reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(entry->row.data()) + kLine));
    }
  }

 private:
  struct Slot {
    uint32_t tag = 0;    // of the key's hash
    uint32_t place = 0;  // of the entry, from 1; 0: free
  };
  static constexpr std::size_t kSlotsMin = 64;

  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  [[nodiscard]] const Entry* likely_entry(uint64_t hash) const {
    const uint32_t place = slots_.empty() ? 0 : slots_[hash & (slots_.size() - 1)].place;
    return place == 0 ? nullptr : &entries_[place - 1];
  }
  /// The slot that holds the key, or the free one where it would be put.
  [[nodiscard]] std::size_t slot_of(uint64_t hash, const data::EntityKey& key) const {
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].place != 0 &&
           (slots_[at].tag != tag_of(hash) || entries_[slots_[at].place - 1].key != key)) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return at;
  }
  void make_slots(std::size_t count) {
    slots_.assign(count, Slot());
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const uint64_t hash = hash_of(entries_[i].key);
      std::size_t at = hash & (slots_.size() - 1);
      while (slots_[at].place != 0) {
        at = (at + 1) & (slots_.size() - 1);
      }
      slots_[at] = {tag_of(hash), static_cast<uint32_t>(i + 1)};
    }
  }

  std::vector<Slot> slots_;
  std::vector<Entry> entries_;
  std::size_t held_ = 0;
};

}  // namespace assay::online
