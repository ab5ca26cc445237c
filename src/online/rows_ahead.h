#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "data/entity_key.h"
#include "online/hash_log.h"

namespace assay::online {

/// How many steps before it is looked at a slot, and then the record that it leads to, is brought
/// near.
inline constexpr std::size_t kSlotsAhead = 16;
inline constexpr std::size_t kRecordsAhead = 8;

/// Keys of a view, as the log knows it.
struct HeldKeys {
  uint32_t epoch = 0;
  std::span<const data::EntityKey> keys;
};

/// Finds the rows of keys, one after the other, view by view. What is looked at is brought near some
/// steps before, also when it is another view's.
///
/// Threads one thread at a time, within the snapshot.
/// Cost    the time of one cache miss for several keys, instead of two for each.
class RowsAhead {
 public:
  RowsAhead(const HashLog::Snapshot& snapshot, std::span<const HeldKeys> asked)
      : snapshot_(snapshot), asked_(asked) {
    while (hashed_ < kSlotsAhead && see_next()) {
    }
    while (hashed_ > 1 && fetched_ < std::min(kRecordsAhead, hashed_)) {
      fetch_next();
    }
  }
  /// The row of the next key; there must be one.
  Result<Found> next() {
    const Coming& now = coming_[taken_++ % kSlotsAhead];
    Result<Found> found =
        snapshot_.find_near(RecordKind::kRow, now.epoch, *now.key, now.hash, now.place);
    see_next();
    fetched_ = std::max(fetched_, taken_);  // one key alone is looked at at once
    if (fetched_ < hashed_) {
      fetch_next();
    }
    return found;
  }

 private:
  struct Coming {  // without values to begin with: most are not used when one key is asked for
    uint32_t epoch;
    const std::string* key;
    uint64_t hash;
    uint64_t place;
  };
  /// False when all keys were seen.
  bool see_next() {
    for (; view_ < asked_.size(); ++view_, key_ = 0) {
      const HeldKeys& of = asked_[view_];
      if (key_ < of.keys.size()) {
        const std::string& key = of.keys[key_++].bytes();
        const uint64_t hash = record_hash(RecordKind::kRow, of.epoch, key);
        snapshot_.prefetch_slot(hash);
        coming_[hashed_++ % kSlotsAhead] = {of.epoch, &key, hash, 0};
        return true;
      }
    }
    return false;
  }
  void fetch_next() {
    Coming& coming = coming_[fetched_++ % kSlotsAhead];
    coming.place = snapshot_.prefetch_record(coming.hash);
  }

  const HashLog::Snapshot& snapshot_;
  const std::span<const HeldKeys> asked_;
  std::array<Coming, kSlotsAhead> coming_;
  std::size_t view_ = 0;  // of the next key that is seen
  std::size_t key_ = 0;
  std::size_t hashed_ = 0;  // how many were seen, fetched and looked at
  std::size_t fetched_ = 0;
  std::size_t taken_ = 0;
};

}  // namespace assay::online
