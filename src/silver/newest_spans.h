#pragma once

#include <cstdint>
#include <vector>

#include "data/asof_join.h"

namespace assay::silver {

/// From which instant on which version is the newest that stands, key by key.
struct NewestSpans {
  std::vector<int64_t> key_row;  // a row that has the key
  std::vector<int64_t> begin;    // microseconds; of one key each once
  std::vector<int64_t> row;      // the newest row from then on; -1: none stands
};

/// A row stands at t when event_time <= t and known_time <= t < `replaced`; the newest is the one
/// with the largest (event_time, known_time, sequence).
///
/// Nulls   a null key or time: the row never stands. A null in `replaced`: never replaced.
/// Cost    O(rows log rows).
NewestSpans newest_spans(const data::AsofRows& rows, const data::Column& replaced);

}  // namespace assay::silver
