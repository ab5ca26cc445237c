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

/// Whether a time is before the watermark: the newest one so far less `allowed`.
constexpr bool is_late(EventTime time, Duration allowed, std::optional<EventTime> newest) {
  int64_t watermark = 0;
  return newest.has_value() &&
         !__builtin_sub_overflow(newest->micros, allowed.micros, &watermark) &&
         time.micros < watermark;
}

/// Judge rows in order of sequence: a row is late when its event time is before the watermark,
/// which is the largest event time of all rows before it, late ones too, less `allowed`.
///
/// Decided row by row, so cutting the rows into other batches changes nothing.
/// Time    microseconds; no row before the first: nothing is late.
LatenessSplit split_late(const data::Column& event_times,
                         Duration allowed,
                         std::optional<EventTime> newest);

}  // namespace assay::silver
