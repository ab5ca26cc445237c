#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/decode_row.h"
#include "data/json_lines.h"

namespace assay::data {

/// Where the members of JSON records go: columns by name, and what absent ones are.
///
/// Threads one thread at a time.
class JsonColumns {
 public:
  explicit JsonColumns(DecodeOptions options) : options_(std::move(options)) {
    const std::vector<Field>& fields = options_.schema->fields();
    options_.time_units.resize(fields.size(), TimeUnit::kText);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      by_name_.emplace(fields[i].name, static_cast<int>(i));
      has_defaults_ = has_defaults_ || (i < options_.defaults.size() && options_.defaults[i]);
    }
    seen_.resize(fields.size());
  }
  /// -1: nobody asked for it.
  [[nodiscard]] int find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? -1 : found->second;
  }
  [[nodiscard]] const Type& type(int column) const { return options_.schema->field(column).type; }
  [[nodiscard]] TimeUnit unit(int column) const {
    return options_.time_units[static_cast<std::size_t>(column)];
  }

  /// A record begins, has a member of this column, and ends.
  void begin_record() {
    if (has_defaults_) {
      std::fill(seen_.begin(), seen_.end(), uint8_t{0});
    }
  }
  void note(int column) { seen_[static_cast<std::size_t>(column)] = 1; }
  void fill_absent(RowCollector* rows) const {
    for (std::size_t i = 0; has_defaults_ && i < options_.defaults.size(); ++i) {
      if (seen_[i] == 0 && options_.defaults[i]) {
        set_cell(*options_.defaults[i], &rows->cell(i));
      }
    }
  }

 private:
  DecodeOptions options_;
  std::unordered_map<std::string_view, int> by_name_;  // names of the schema
  bool has_defaults_ = false;
  std::vector<uint8_t> seen_;  // per column: the record has it
};

}  // namespace assay::data
