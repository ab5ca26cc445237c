#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/snapshot.h"

namespace assay::lake {

/// Whether a checkpoint's writer names it in _last_checkpoint: not when a newer one stands.
enum class Hinting { kHint, kNoHint };

/// Write the checkpoint of the state's version, then _last_checkpoint.
///
/// Time    tombstones younger than the table's delta.deletedFileRetentionDuration are kept, for
/// readers of older versions and for vacuum. Errors  those of the store and the SQL engine. The
/// table is as good as before: a checkpoint only
///         shortens reading.
/// Source  docs/formats/delta.md; Delta Lake, PROTOCOL.md, "Checkpoints".
Status write_checkpoint(World& world,
                        store::ObjectStore& store,
                        data::SqlEngine& sql,
                        const std::string& key,
                        const TableState& state,
                        Hinting hinting = Hinting::kHint);

/// What _last_checkpoint says; any member may be missing.
struct CheckpointHint {
  Version version = -1;
  std::optional<int64_t> add_files;
};

/// Nothing readable gives the empty hint: it is no more than a hint.
CheckpointHint read_checkpoint_hint(store::ObjectStore& store, const std::string& log_prefix);

/// The actions of a checkpoint of `version` but its files: all its parts, by object key. Those of
/// a JSON one are all here. Columns other than those of the protocol are ignored.
///
/// Errors  kCorrupt: not a checkpoint, or of another version; the part is named. Those of
///         parse_action.
Result<LogEntry> read_checkpoint(store::ObjectStore& store,
                                 data::SqlEngine& sql,
                                 Version version,
                                 const std::vector<std::string>& parts);

/// Files and tombstones of a checkpoint, in any order.
struct CheckpointFiles {
  std::vector<std::shared_ptr<const DataFile>> files;
  std::vector<std::shared_ptr<const RemoveAction>> tombstones;
};

/// Read the files of the same checkpoint, from its parts and from the sidecars that `entry` names.
/// `partition_keys` are the keys of partition values.
///
/// Errors  as read_checkpoint; kCorrupt also for a sidecar that is missing.
/// Cost    O(files), column by column; statistics stay text.
Result<CheckpointFiles> read_checkpoint_files(store::ObjectStore& store,
                                              data::SqlEngine& sql,
                                              const std::string& log_prefix,
                                              const std::vector<std::string>& parts,
                                              const LogEntry& entry,
                                              const std::vector<std::string>& partition_keys);

/// What to do about a damaged checkpoint, to be put behind a message; `part` is its object key.
std::string doctor_writes_anew(const std::string& part);

/// The version that _last_checkpoint names; -1 for none.
Version last_checkpoint_version(store::ObjectStore& store, const std::string& key);

}  // namespace assay::lake
