#pragma once

#include <string>

#include "base/world.h"
#include "lake/delta_table.h"
#include "lake/snapshot.h"

namespace assay::lake {

// What a commit depends on, and what it writes. Checked against the state that it is going to be
// put on: a request that lost a race is checked again against what the winner left.

/// Check a request against a state. `raced`: the caller's picture of the table was older.
///
/// Errors  kAborted: a position is not the expected one; a file to remove is gone; a replaced
///         partition got files, or a table that was read whole got rows, in the meantime; others
///         added columns. kFailedPrecondition: another engine writes this table; rows removed from
///         a table that takes appends only; a schema that is no extension. kInvalidArgument: a
///         file that is there already; a property that cannot be set.
Status validate_request(const std::string& key,
                        const TableState& now,
                        const CommitRequest& request,
                        bool raced);

/// The log entry of a request on top of `now`.
LogEntry entry_of(World& world,
                  const TableState& now,
                  const CommitRequest& request,
                  const std::string& txn_id);

/// The log entry that creates a table.
LogEntry creation_entry(World& world, const TableSpec& spec);

/// One action a line, in the order in which a log file holds them.
std::string entry_bytes(const LogEntry& entry);

/// `["a","b"]`
std::string json_list(const std::vector<std::string>& texts);

}  // namespace assay::lake
