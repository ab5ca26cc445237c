#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "data/column.h"

namespace assay::silver {

/// Which rows came in time and which too late.
struct LatenessSplit {
  std::vector<int64_t> on_time;  // row numbers, ascending
  std::vector<int64_t> late;
  std::optional<EventTime> newest;  // largest event time of all rows so far: the next call's state
};

/// Judge rows in order of sequence: a row is late when its event time is before the watermark,
/// which is the largest event time of all rows before it, late ones too, less `allowed`.
///
/// Decided row by row, so cutting the rows into other batches changes nothing.
/// Time    microseconds; no row before the first: nothing is late.
///
/// `moves` false: the rows move nothing, all are judged by `newest` alone. Of rows that come from
/// parts read side by side, another knows how far the slowest part is.
LatenessSplit split_late(const data::Column& event_times,
                         Duration allowed,
                         std::optional<EventTime> newest,
                         bool moves = true);

}  // namespace assay::silver
