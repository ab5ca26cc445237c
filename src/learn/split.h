#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "data/batch.h"

namespace assay::learn {

/// First and last instant of a set of rows, both included.
struct TimeRange {
  EventTime first;
  EventTime last;
  bool operator==(const TimeRange&) const = default;
};

/// Training rows and the later rows that judge the model.
struct TimeSplit {
  data::Batch train;
  data::Batch test;
  TimeRange train_times;
  TimeRange test_times;    // both zero when there are no test rows
  int64_t unlabelled = 0;  // rows left out because label or time is null
};

/// Part rows by time: the oldest `share` of them train, the rest tests.
///
/// Shape   each side in the order of `rows`. Rows of the boundary instant go to the test side
/// together,
///         so nothing that trains is as late as what tests.
/// Nulls   rows with a null label or time are on neither side.
/// Errors  kNotFound: no such column; kInvalidArgument: `share` not in (0, 1], the time column is
/// no
///         timestamp, or no row would train (too few different times).
/// Cost    O(n).
Result<TimeSplit> split_by_time(const data::Batch& rows,
                                const std::string& time_column,
                                const std::string& label,
                                double share);

}  // namespace assay::learn
