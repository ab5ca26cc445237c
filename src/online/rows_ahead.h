#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/entity_key.h"
#include "online/hash_log.h"

namespace assay::online {

/// How many steps before it is looked at a slot, and then the record that it leads to, is brought
/// near.
inline constexpr std::size_t kSlotsAhead = 16;
inline constexpr std::size_t kRecordsAhead = 8;

/// How many bytes of a record, as long as nothing is known of its view's.
inline constexpr std::size_t kRecordBytesAhead = 512;
inline constexpr std::size_t kRecordBytesAheadMax = 1024;

/// Keys of a view, as the log knows it.
struct HeldKeys {
  uint32_t epoch = 0;
  std::span<const data::EntityKey> keys;
  std::size_t record_bytes = kRecordBytesAhead;  // of the record that was read last
};

/// Finds the rows of keys, one after the other, view by view. What is looked at is brought near
/// some steps before, also when it is another view's.
///
/// Threads one thread at a time, within the snapshot.
/// Cost    the time of one cache miss for several keys, instead of two for each.
class RowsAhead {
 public:
  RowsAhead(const HashLog::Snapshot& snapshot, std::span<HeldKeys> asked)
      : snapshot_(snapshot), asked_(asked) {
    while (hashed_ < kSlotsAhead && see_next()) {
    }
    while (fetched_ < std::min(kRecordsAhead, hashed_)) {
      fetch_next();
    }
  }
  /// Go on to the next key, which there must be, and take its row, "" when it says that there is
  /// none. False: it has to be searched.
  bool next(std::string_view* row) {
    now_ = coming_[taken_++ % kSlotsAhead];
    const bool is_found = take(now_, row);
    see_next();
    if (fetched_ < hashed_) {
      fetch_next();
    }
    return is_found;
  }
  /// The row of the key that next() came to last, "" when there is none.
  Status search(std::string_view* row) const { return search(now_, row); }

 private:
  struct Coming {  // without values to begin with: most are not used when one key is asked for
    HeldKeys* view;
    const std::string* key;
    uint64_t hash;
    uint64_t place;
  };
  /// The row where it was seen. False when it has to be searched.
  bool take(const Coming& now, std::string_view* row) const {
    const std::string_view bytes = snapshot_.sound_bytes(now.place);
    const std::optional<std::string_view> value =
        bytes.empty() ? std::nullopt
                      : value_of_record(bytes, RecordKind::kRow, now.view->epoch, *now.key);
    if (!value.has_value()) {
      return false;
    }
    *row = *value;
    now.view->record_bytes = std::min(bytes.size(), kRecordBytesAheadMax);
    return true;
  }
  Status search(const Coming& now, std::string_view* row) const {
    ASSAY_ASSIGN_OR_RETURN(const Found found,
                           snapshot_.find(RecordKind::kRow, now.view->epoch, *now.key, now.hash));
    *row = found.value.value_or(std::string_view());
    return {};
  }
  /// False when all keys were seen.
  bool see_next() {
    for (; view_ < asked_.size(); ++view_, key_ = 0) {
      HeldKeys& of = asked_[view_];
      if (key_ < of.keys.size()) {
        const std::string& key = of.keys[key_++].bytes();
        const uint64_t hash = record_hash(RecordKind::kRow, of.epoch, key);
        snapshot_.prefetch_slot(hash);
        coming_[hashed_++ % kSlotsAhead] = {&of, &key, hash, 0};
        return true;
      }
    }
    return false;
  }
  void fetch_next() {
    Coming& coming = coming_[fetched_++ % kSlotsAhead];
    coming.place = snapshot_.prefetch_record(coming.hash, coming.view->record_bytes);
  }

  const HashLog::Snapshot& snapshot_;
  const std::span<HeldKeys> asked_;
  std::array<Coming, kSlotsAhead> coming_;
  Coming now_{};
  std::size_t view_ = 0;  // of the next key that is seen
  std::size_t key_ = 0;
  std::size_t hashed_ = 0;  // how many were seen, fetched and looked at
  std::size_t fetched_ = 0;
  std::size_t taken_ = 0;
};

}  // namespace assay::online
