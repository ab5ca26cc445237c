#pragma once

#include <string>
#include <vector>

#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/snapshot.h"

namespace assay::lake {

/// Write the checkpoint of the state's version, then _last_checkpoint.
///
/// Time    tombstones younger than a week are kept, for readers of older versions and for vacuum.
/// Errors  those of the store and the SQL engine. The table is as good as before: a checkpoint only
///         shortens reading.
/// Source  docs/formats/delta.md; Delta Lake, PROTOCOL.md, "Checkpoints".
Status write_checkpoint(World& world,
                        store::ObjectStore& store,
                        data::SqlEngine& sql,
                        const std::string& key,
                        const TableState& state);

/// Read the reconciled actions of a checkpoint: all its parts, by object key.
///
/// Errors  kCorrupt: not a checkpoint; the part is named. Those of parse_action.
Result<LogEntry> read_checkpoint(store::ObjectStore& store,
                                 data::SqlEngine& sql,
                                 const std::vector<std::string>& parts);

}  // namespace assay::lake
