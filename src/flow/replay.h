#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "data/entity_key.h"
#include "flow/workspace.h"

namespace assay::flow {

/// The history of one view's source rows, in the order in which they became visible.
struct History {
  gold::FeatureViewPtr view;
  data::Batch rows;                         // view->source_columns(), sorted by visible time
  std::vector<int64_t> visible;             // per row, microseconds
  std::vector<int64_t> windows;             // lengths of the view's windows, microseconds
  std::vector<data::EntityKey> entities;    // of the rows, distinct
  std::vector<int32_t> entity_of_row;       // into `entities`; -1: it has none
  EventTime whole_from = EventTime::min();  // older rows or steps are dropped: nothing before it
  // Of a view over changes:
  std::vector<std::pair<int64_t, int64_t>> replaced;  // instant and row, ascending
  std::vector<std::vector<int64_t>> rows_of_entity;   // by visible time
};

/// Errors  those of the lake; kNotFound tells to run `assay run`.
Result<History> read_history(Workspace& workspace, const gold::FeatureViewPtr& view);

/// Gives a history's rows to a store as they became visible, or were replaced.
///
/// Threads one thread at a time. Both must outlive it.
class Replay {
 public:
  Replay(const History& history, online::OnlineStore& store) : history_(history), store_(store) {}

  /// Give what happened up to `instant`; instants ascend.
  Status to(EventTime instant);

 private:
  data::Batch rows_with_replaced(int64_t first,
                                 EventTime instant,
                                 std::vector<data::EntityKey>* anew);
  [[nodiscard]] int32_t entity_of(int64_t row) const {
    return history_.entity_of_row[static_cast<std::size_t>(row)];
  }

  const History& history_;
  online::OnlineStore& store_;
  std::optional<int64_t> position_;
  int64_t next_row_ = 0;
  std::size_t next_replaced_ = 0;
};

}  // namespace assay::flow
