#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gold/cell.h"

namespace assay::gold {

/// The lists and arrays of steps: their cells hold numbers of these values. Each value is kept
/// once, so cells of equal values are equal.
///
/// Threads one thread at a time. Bounded by the steps that hold the values.
class NestedValues {
 public:
  /// The cell of a value, as append_row_value writes it.
  Cell cell_of(std::string_view bytes) {
    const auto [place, is_new] = numbers_.try_emplace(std::string(bytes), values_.size());
    if (is_new) {
      values_.push_back(&place->first);
    }
    return whole_cell(static_cast<int64_t>(place->second));
  }
  /// The bytes of a cell that is not null.
  [[nodiscard]] std::string_view bytes(uint64_t number) const {
    return *values_[static_cast<std::size_t>(number)];
  }

 private:
  std::unordered_map<std::string, std::size_t> numbers_;
  std::vector<const std::string*> values_;
};

}  // namespace assay::gold
