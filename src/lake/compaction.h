#pragma once

#include <cstdint>

#include "lake/delta_table.h"
#include "lake/lake_access.h"

namespace assay::lake {

struct CompactionOptions {
  int64_t target_bytes = int64_t{256} << 20;  // of a file; 128 MB to 1 GB suits readers
  /// Files of this size and more stay as they are; 0: half the target.
  int64_t small_bytes = 0;
  bool dry_run = false;
};

struct CompactionReport {
  int64_t files_removed = 0;
  int64_t files_added = 0;
  int64_t bytes_removed = 0;
  int64_t bytes_added = 0;
  int64_t commits = 0;
  int64_t conflicts = 0;  // groups left for the next time: others rewrote one of their files
};

/// Merge small files of each partition into larger ones. No row changes: the commits say so, and a
/// stream that reads the table's new rows sees nothing.
///
/// Order   rows are sorted by the property assay.sortedBy; without it they keep the order of their
///         files' age. Files are only merged with files of the same tags, and keep them.
/// Errors  those of reading, of writing and of commit, but for lost races, which are counted.
///         kCorrupt, kNotFound: files that are damaged or gone, or have another number of rows than
///         the log says; the others were compacted all the same.
/// Cost    memory is the SQL engine's, which spills, and half as much again (RowGroupLimits); a
///         commit per 1 GB or 256 new files, so a crash costs one such part.
Result<CompactionReport> compact(const LakeAccess& lake,
                                 DeltaTable& table,
                                 const CompactionOptions& options = {});

}  // namespace assay::lake
