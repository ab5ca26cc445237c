#pragma once

#include <vector>

#include "lake/snapshot.h"

namespace assay::lake {

/// What versions (after, last] added to a table and removed from it, in version order; removals of
/// a version come before what it added. Commits without data change (compaction) give nothing.
///
/// Errors  kOutOfRange: the log of that range has been cleaned up; what to do is said. kNotFound: a
///         version that is not there yet. Those of load_state.
/// Cost    O(entries of the range); a snapshot more when removals do not say their partition.
Result<std::vector<FileChange>> changes_between(store::ObjectStore& store,
                                                data::SqlEngine& sql,
                                                const std::string& key,
                                                const TableState& newest,
                                                Version after,
                                                Version last);

/// The entry of a version within [0, newest]; kOutOfRange when it has been cleaned up.
Result<LogEntry> read_kept_entry(store::ObjectStore& store,
                                 const std::string& key,
                                 Version version);

}  // namespace assay::lake
