#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gold/tile_tree.h"
#include "gold/view_layout.h"

namespace assay::gold {

/// A row that was not known yet when it was applied, or that will be replaced.
struct PendingRow : RowInputs {
  int64_t replaced_time = kNeverReplaced;
  auto operator<=>(const PendingRow&) const = default;
};

/// The online row of a window view in parts; the views point into its bytes.
struct WindowRow {
  std::optional<int64_t> dropped_newest;  // newest event time of dropped tiles
  std::vector<PendingRow> pending;
  std::string_view tiles;  // the root of their tree
};

/// Nothing when the bytes are no online row. Those of no bytes are empty.
std::optional<WindowRow> parse_window_row(const ViewLayout& layout,
                                          const WindowPlan& plan,
                                          std::string_view row);
/// The bytes of a row.
std::string encode_window_row(const ViewLayout& layout, const WindowRow& parts);

/// A row that has nothing pending.
struct SettledRow {
  std::string_view head;   // what stands before the tree
  std::string_view tiles;  // the root of the tree
};
/// Nothing when something is pending, or the bytes are no row.
std::optional<SettledRow> open_settled_row(std::string_view row);

/// A row whose pending rows all go on waiting.
struct WaitingRow {
  std::string_view head;  // what stands before their count
  uint64_t count = 0;
  std::string_view pending;
  RowOrder last;  // of the last of them
  std::string_view tiles;
};
/// Nothing when a pending row is known at `until`, or the bytes are no row. Not of a view over a
/// table of changes.
std::optional<WaitingRow> open_waiting_row(const ViewLayout& layout,
                                           const WindowPlan& plan,
                                           std::string_view row,
                                           int64_t until);

}  // namespace assay::gold
