#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/type.h"
#include "gold/input_value.h"
#include "gold/row_bytes.h"

// First, last and last_n: values in the order of their rows.
//
// Rows are ordered by (event_time, known_time, sequence); rows equal in all three by their value.
// Keeping the k first or last of a union is the same as keeping them of the parts first, so any
// order and grouping gives the same values.

namespace assay::gold {

/// The first or the last k values of some rows, as tiles of the online row hold them.
///
/// Threads one thread at a time. Cost O(k) an update and in memory.
class OrderedValues {
 public:
  enum class End : uint8_t { kFirst, kLast };
  OrderedValues(End end, int64_t limit, data::TypeId type)
      : end_(end), limit_(limit), type_(type) {}

  void add(const InputValue& value, const RowOrder& order);
  /// Values kept, the first (or last) of all in front.
  struct Entry {
    RowOrder order;
    int64_t integer = 0;  // the value, or order_of() a double
    std::string text;
    auto operator<=>(const Entry&) const = default;
  };
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

  void encode(std::string* out) const;
  /// Merge the values whose bytes come next. The reader fails when they are none.
  void merge_encoded(RowReader* reader);

 private:
  void insert(Entry entry);

  End end_;
  int64_t limit_;
  data::TypeId type_;
  std::vector<Entry> entries_;
};

/// A row as the kernel orders it.
struct OrderedRow {
  RowOrder order;
  int64_t value = 0;  // integer, order of a double, or rank of a text
  int64_t tile = 0;
  auto operator<=>(const OrderedRow&) const = default;
};

/// The first row of every window that ends now, for rows that enter in any order.
///
/// Holds the first row of each tile, tiles ascending. Threads one thread at a time.
/// Cost    insert in tile order: O(1) amortised; else O(tiles). first_from: O(log tiles).
class FirstRows {
 public:
  void clear() {
    rows_.clear();
    head_ = 0;
  }
  void insert(const OrderedRow& row) {
    const auto place = at_or_after(row.tile);
    if (place != rows_.end() && place->tile == row.tile) {
      *place = std::min(*place, row);
    } else {
      rows_.insert(place, row);
    }
  }
  /// Take a row out, when it is the first of its tile. The tile's others must be inserted again.
  bool erase(const OrderedRow& row) {
    const auto place = at_or_after(row.tile);
    if (place == rows_.end() || *place != row) {
      return false;
    }
    rows_.erase(place);
    return true;
  }
  /// Forget what lies before `tile`.
  void drop_before(int64_t tile) {
    while (head_ < rows_.size() && rows_[head_].tile < tile) {
      ++head_;
    }
    if (head_ == rows_.size()) {
      clear();
    }
  }
  /// Value of the first row at `tile` or later.
  [[nodiscard]] std::optional<int64_t> first_from(int64_t tile) {
    const auto place = at_or_after(tile);
    return place == rows_.end() ? std::nullopt : std::optional(place->value);
  }

 private:
  std::vector<OrderedRow>::iterator at_or_after(int64_t tile) {
    const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(head_);
    if (begin != rows_.end() && rows_.back().tile < tile) {
      return rows_.end();
    }
    return std::partition_point(
        begin, rows_.end(), [&](const OrderedRow& row) { return row.tile < tile; });
  }

  std::vector<OrderedRow> rows_;
  std::size_t head_ = 0;
};

/// The last k rows of every window that ends now. All windows end together, so what is last in one
/// is last in each that reaches back to it. Threads one thread at a time. Cost O(k).
class LastRows {
 public:
  explicit LastRows(int64_t limit) : limit_(static_cast<std::size_t>(limit)) {}
  void clear() { rows_.clear(); }
  void insert(const OrderedRow& row) {
    if (rows_.size() == limit_ && !(rows_.back() < row)) {
      return;
    }
    rows_.insert(
        std::partition_point(
            rows_.begin(), rows_.end(), [&](const OrderedRow& other) { return row < other; }),
        row);
    if (rows_.size() > limit_) {
      rows_.pop_back();
    }
  }
  [[nodiscard]] bool contains(const OrderedRow& row) const {
    return std::find(rows_.begin(), rows_.end(), row) != rows_.end();
  }
  /// True when no row of a tile can be among those kept that is not yet.
  [[nodiscard]] bool is_complete_at(int64_t tile) const {
    return rows_.size() == limit_ && tile < rows_.back().tile;
  }
  /// Rows kept, the last in front.
  [[nodiscard]] const std::vector<OrderedRow>& rows() const { return rows_; }

 private:
  std::size_t limit_;
  std::vector<OrderedRow> rows_;
};

}  // namespace assay::gold
