#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serve/json_request.h"

namespace assay::serve {

/// Columns in the order in which their names came first.
///
/// Threads one thread at a time.
/// Cost    O(1) a name: of few each is looked at.
class ColumnList {
 public:
  /// A name said twice counts once, the last.
  void put(std::string_view name, std::vector<JsonValue> values) {
    const std::size_t place = place_of(name);
    if (place == columns_.size()) {
      columns_.push_back({std::string(name), std::move(values)});
    } else {
      columns_[place].values = std::move(values);
    }
  }
  [[nodiscard]] std::size_t size() const { return columns_.size(); }
  std::vector<JsonColumn> take() { return std::move(columns_); }

 private:
  static constexpr std::size_t kLookedAtMax = 16;

  std::size_t place_of(std::string_view name) {
    if (columns_.size() <= kLookedAtMax) {
      const auto same = std::find_if(columns_.begin(),
                                     columns_.end(),
                                     [&](const JsonColumn& known) { return known.name == name; });
      return static_cast<std::size_t>(same - columns_.begin());
    }
    while (places_.size() < columns_.size()) {
      places_.emplace(columns_[places_.size()].name, places_.size());
    }
    const auto found = places_.find(std::string(name));
    return found == places_.end() ? columns_.size() : found->second;
  }

  std::vector<JsonColumn> columns_;
  std::unordered_map<std::string, std::size_t>
      places_;  // of all but the newest, when they are many
};

}  // namespace assay::serve
