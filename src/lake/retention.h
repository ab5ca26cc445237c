#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "lake/log_entry.h"
#include "lake/rewrite.h"

// Rows that are dropped because they grew old. It is not a correction: what was made from them
// stays, and the table's own stream does not take them back.

namespace assay::lake {

/// commitInfo parameter of a commit that drops old rows: the first day that is kept.
inline constexpr char kRetentionParameter[] = "retention";

struct RetentionRequest {
  std::string date_column;           // a partition column of type date
  EventTime kept_from;               // a midnight, UTC: days before it go
  std::vector<TxnUpdate> txns = {};  // positions that travel with the commit
  bool dry_run = false;
};

/// Drop the partitions of days before `kept_from`, all in one commit; no data file is read. Files
/// stay on disk until vacuum, for readers of older versions. A commit that loses against another
/// one looks again, up to ten times.
///
/// Shape   version -1: there was nothing to drop, or dry_run.
/// Nulls   rows without a date stay.
/// Errors  kInvalidArgument: no such partition column. Those of commit.
Result<RewriteReport> drop_old_days(const LakeAccess& lake,
                                    DeltaTable& table,
                                    const RetentionRequest& request);

/// True for the log entry of such a commit.
bool is_retention(const LogEntry& entry);

}  // namespace assay::lake
