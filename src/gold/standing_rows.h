#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "gold/view_layout.h"

namespace assay::gold {

/// Rows of one entity that are visible, for entities of whose rows some are replaced: which is
/// replaced next, and which event is the newest of those that stand.
///
/// Threads one thread at a time. Cost O(log rows) an update.
class StandingRows {
 public:
  void clear() {
    by_replaced_.clear();
    by_event_.clear();
  }
  /// `place` is the caller's own name of the row.
  void add(int64_t event_time, int64_t replaced_time, uint32_t place) {
    by_event_.emplace_back(event_time, replaced_time);
    std::push_heap(by_event_.begin(), by_event_.end());
    if (replaced_time != kNeverReplaced) {
      by_replaced_.emplace_back(replaced_time, place);
      std::push_heap(by_replaced_.begin(), by_replaced_.end(), std::greater<>());
    }
  }
  /// When the next of them is replaced; kNeverReplaced for none.
  [[nodiscard]] int64_t next_replaced() const {
    return by_replaced_.empty() ? kNeverReplaced : by_replaced_.front().first;
  }
  /// Take out one that is replaced at `instant` or before.
  std::optional<uint32_t> pop_replaced(int64_t instant) {
    if (next_replaced() > instant || by_replaced_.empty()) {
      return std::nullopt;
    }
    const uint32_t place = by_replaced_.front().second;
    std::pop_heap(by_replaced_.begin(), by_replaced_.end(), std::greater<>());
    by_replaced_.pop_back();
    return place;
  }
  /// Event time of the newest that stands at `instant`; instants ascend.
  std::optional<int64_t> newest(int64_t instant) {
    while (!by_event_.empty() && by_event_.front().second <= instant) {
      std::pop_heap(by_event_.begin(), by_event_.end());
      by_event_.pop_back();
    }
    return by_event_.empty() ? std::nullopt : std::optional(by_event_.front().first);
  }

 private:
  std::vector<std::pair<int64_t, uint32_t>> by_replaced_;  // heap: replaced first, in front
  std::vector<std::pair<int64_t, int64_t>> by_event_;      // heap: newest in front
};

}  // namespace assay::gold
