#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

struct BackfillOptions {
  EventTime from = EventTime::min();  // the day it lies in is the first one
  EventTime to = EventTime::max();    // the day it lies in is included, unless it is that midnight
  bool full = false;                  // also days whose inputs did not change
  RunOptions run;                     // threads, rows looked at at once, stop, progress
};

/// What a backfill did.
struct BackfillReport {
  std::string view;
  std::string table;
  EventTime begin;  // days [begin, end) were asked for and are final
  EventTime end;
  int64_t days = 0;           // in that range
  int64_t days_computed = 0;  // computed anew; the others' inputs did not change
  int64_t days_resumed = 0;   // of them: by an earlier backfill that did not get to its end
  int64_t days_replaced = 0;  // whose steps differed from the table's
  int64_t steps_before = 0;   // in the replaced days
  int64_t steps_after = 0;
  std::optional<lake::Version> version;  // of the commit; nothing when no day differed
  double seconds = 0;
};

/// Compute the final steps of whole days anew from the source table as it is now, and replace those
/// that differ in one commit.
///
/// Days are those of known_time, UTC; only days before the frontier are final, the others are made
/// anew by every run. Without `full` it begins with the first day that a change of the source since
/// the last backfill or run can reach, and ends where nothing can differ any more. Files are
/// written day by day before the commit; a backfill that was stopped or killed is gone on with by
/// the next one of the same range over the same source version. Memory: about run.gold_chunk_rows
/// source rows, those of the longest window before them, and one step per entity.
///
/// Errors  kFailedPrecondition: the steps table does not exist or is not up to its source;
///         kInvalidArgument: from is not before to; kCancelled when stopped.
/// Source  docs/decisions/0031-backfill.md
Result<BackfillReport> backfill_view(Workspace& workspace,
                                     const std::string& view,
                                     const BackfillOptions& options);

}  // namespace assay::flow
