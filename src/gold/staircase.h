#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace assay::gold {

/// The largest value of every window that ends now, for events that enter in any order.
///
/// Holds (tile, value) pairs with tiles ascending and values descending: a later slide with a
/// larger value hides every earlier smaller one, in each window alike. The maximum of a window is
/// the first stair inside it. For minima give ~value. Threads one thread at a time. Cost    insert
/// in tile order: O(1) amortised; else O(stairs). largest_from: O(log stairs).
class Staircase {
 public:
  void clear() {
    stairs_.clear();
    head_ = 0;
  }
  void insert(int64_t tile, int64_t value) {
    const auto begin = stairs_.begin() + static_cast<std::ptrdiff_t>(head_);
    auto after = stairs_.end();
    if (after != begin && (after - 1)->tile > tile) {
      after = std::partition_point(
          begin, after, [&](const Stair& stair) { return stair.tile <= tile; });
    }
    if ((after != stairs_.end() && after->value >= value) ||
        (after != begin && (after - 1)->tile == tile && (after - 1)->value >= value)) {
      return;
    }
    auto first = after;
    while (first != begin && (first - 1)->value <= value) {
      --first;
    }
    if (first == after) {
      stairs_.insert(after, {tile, value});
    } else {
      *first = {tile, value};
      stairs_.erase(first + 1, after);
    }
  }
  /// Take a stair out, when there is this one. What it alone has hidden must be inserted again:
  /// values of tiles behind the stair before it, up to its own.
  bool erase(int64_t tile, int64_t value) {
    const auto found = at_or_after(tile);
    if (found == stairs_.end() || found->tile != tile || found->value != value) {
      return false;
    }
    stairs_.erase(found);
    return true;
  }
  /// Tile of the newest stair before `tile`.
  [[nodiscard]] std::optional<int64_t> tile_before(int64_t tile) {
    const auto place = at_or_after(tile);
    return place == stairs_.begin() + static_cast<std::ptrdiff_t>(head_)
               ? std::nullopt
               : std::optional((place - 1)->tile);
  }
  /// Forget what lies before `tile`.
  void drop_before(int64_t tile) {
    while (head_ < stairs_.size() && stairs_[head_].tile < tile) {
      ++head_;
    }
    if (head_ == stairs_.size()) {
      clear();
    }
  }
  /// Largest value at `tile` or later.
  [[nodiscard]] std::optional<int64_t> largest_from(int64_t tile) const {
    const auto begin = stairs_.begin() + static_cast<std::ptrdiff_t>(head_);
    const auto found = std::partition_point(
        begin, stairs_.end(), [&](const Stair& stair) { return stair.tile < tile; });
    return found == stairs_.end() ? std::nullopt : std::optional(found->value);
  }

 private:
  struct Stair {
    int64_t tile;
    int64_t value;
  };
  std::vector<Stair>::iterator at_or_after(int64_t tile) {
    return std::partition_point(stairs_.begin() + static_cast<std::ptrdiff_t>(head_),
                                stairs_.end(),
                                [&](const Stair& stair) { return stair.tile < tile; });
  }
  std::vector<Stair> stairs_;
  std::size_t head_ = 0;
};

}  // namespace assay::gold
