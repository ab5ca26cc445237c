#pragma once

#include <string>
#include <vector>

#include "flow/gold_task.h"
#include "flow/workspace.h"

// `keep: 400d`: whole days that grew old are dropped from bronze, silver and steps tables, and from
// the tables beside them. The clock is the line's own: the newest event time of the table, or the
// steps table's frontier; never later than the machine's, so that one row from the future drops
// nothing. Source docs/decisions/0050-retention.md

namespace assay::flow {

/// What a table's `keep` dropped, or would drop.
struct DroppedDays {
  std::string table;
  EventTime kept_from;  // days before it went
  int64_t files = 0;
  int64_t rows = 0;
  lake::Version version = -1;  // -1: nothing was committed
};

/// Drop from every table of the project what its `keep` no longer keeps; one commit a table. Tables
/// with nothing to drop are left out.
///
/// All stages must have taken what their sources hold: the end of a run, under its lock. A crash
/// between two tables leaves the others to the next run.
/// Errors  those of the lake.
Result<std::vector<DroppedDays>> drop_old_days(Workspace& workspace, bool dry_run);

/// Days before it are gone from a bronze or silver table; nothing: none ever went.
std::optional<int64_t> kept_from(const Workspace& workspace,
                                 const std::string& table_key,
                                 const lake::Snapshot& snapshot);

/// The first midnight from which steps computed from the rows that the source holds now are whole;
/// EventTime::min() when the source never lost a row.
Result<EventTime> computable_from(Workspace& workspace, const GoldTask& task);

/// Steps answer questions about instants from here on; EventTime::min() when about all.
EventTime answers_from(const GoldTask& task, const lake::Snapshot& steps);

/// Fail when the steps table no longer answers questions about `first`.
///
/// Errors  kOutOfRange, with the first instant that it answers.
Status require_answers_from(Workspace& workspace, const gold::FeatureView& view, EventTime first);

}  // namespace assay::flow
