#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/asof_join.h"
#include "flow/workspace.h"

namespace assay::flow {

/// What stands behind one served number.
struct Explanation {
  std::string view;
  std::string feature;
  std::string definition;  // "count over 1h where kind = 'view'", in words
  EventTime at;
  data::Scalar value;  // by the steps table
  data::FeatureStatus status = data::FeatureStatus::kNotFound;
  std::optional<EventTime> event_time;  // of the newest visible event
  std::optional<EventTime> since;       // from when on this has been the answer
  std::optional<EventTime> until;       // when the next step of the entity comes, when it is known

  std::string source_table;  // with its version: "silver/clean@12"
  std::string steps_table;
  std::string fingerprint;  // of the definition and all before it

  /// Rows of the entity with event_time <= at, by event time: `role`, `tile` (the slide it lies in,
  /// for windows), event_time, known_time, sequence, then the columns that the feature reads.
  /// Roles: "counts", "filtered" (`where` is not true), "null" (`of` is null), "outside" (of the
  /// window, or older than the newest), "unknown" (not known yet at that instant). Of a table of
  /// changes also replaced_time, and "replaced": a later version or a tombstone was known by then.
  data::Batch rows;
  int64_t counted = 0;
  /// Features that a computed one is made of, with their values at that instant.
  std::vector<std::pair<std::string, data::Scalar>> inputs;
  /// The same number computed from these rows alone; it must have the same bits.
  data::Scalar recomputed;
  bool agrees = false;
};

/// What the rows of an explanation may take; more is not read.
struct ExplainBound {
  int64_t rows_max = std::numeric_limits<int64_t>::max();
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();
};

/// Explain one feature of a view for one entity at an instant, by the steps and source tables.
///
/// `key`: one value per key column of the view. Errors  kNotFound: no such feature; nothing run
/// yet. kFailedPrecondition: the steps table is not up to its source. kResourceExhausted: the
/// entity has more rows than `bound` says.
/// Cost    all rows of the entity in memory, and two of its steps.
Result<Explanation> explain_feature(Workspace& workspace,
                                    const gold::FeatureView& view,
                                    const std::string& feature,
                                    const std::vector<data::Scalar>& key,
                                    EventTime at,
                                    const ExplainBound& bound = {});

}  // namespace assay::flow
