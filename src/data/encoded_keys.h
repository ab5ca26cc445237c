#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/column.h"

namespace assay::data {

/// The keys of all rows of columns (entity_key.h), encoded once, one behind the other.
class EncodedKeys {
 public:
  EncodedKeys(std::span<const Column* const> columns, int64_t rows);
  /// Nothing when a column is null there.
  [[nodiscard]] std::optional<std::string_view> key(int64_t row) const& {
    const auto at = static_cast<std::size_t>(row);
    if (is_null_[at] != 0) {
      return std::nullopt;
    }
    return std::string_view(bytes_).substr(begins_[at], begins_[at + 1] - begins_[at]);
  }
  std::optional<std::string_view> key(int64_t row) const&& = delete;

 private:
  std::string bytes_;
  std::vector<std::size_t> begins_;  // and where the last one ends
  std::vector<uint8_t> is_null_;
};

}  // namespace assay::data
