#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "lake/log_entry.h"
#include "store/object_store.h"

namespace assay::lake {

/// All that a table's log says up to one version: the snapshot, and what only writers need.
///
/// Threads immutable once shared.
struct TableState {
  Snapshot snapshot;
  ProtocolAction protocol;
  MetadataAction metadata;
  std::map<std::string, int64_t> txn_updated_ms;
  Version rows_changed_version = -1;  // the newest that brought or took rows
  PathMap<RemoveAction> tombstones;   // removed files whose bytes may still be read
};

/// Where the log of table `key` lies: "<key>/_delta_log/".
std::string log_prefix(const std::string& key);

/// The keys of partition values in the log, in the order of the partition columns.
std::vector<std::string> partition_keys(const Snapshot& snapshot);

/// Move `state` to `version`, which is its own plus one, by that version's actions.
///
/// Errors  kUnimplemented: a protocol, feature or column type we cannot read, named. kCorrupt: a
///         bad schemaString.
Status apply_entry(TableState& state, Version version, const LogEntry& entry);

/// Refuse by name a table that we can read but must not write to.
Status validate_writable(const TableState& state);

/// Which checkpoints a state is loaded from: as readers do, unless said otherwise.
struct CheckpointUse {
  std::set<Version> without = {};  // passed over, as if they were not there
  std::set<std::string> without_parts =
      {};              // these objects too: another copy may be of the version
  bool hinted = true;  // with as many files as _last_checkpoint says
};

/// Replay the log: newest complete checkpoint not after `version`, then the log files up to it.
///
/// Errors  kNotFound: no table at `key`, or no such version of it (any more). kCorrupt: a version
///         missing in the middle, bytes that are no log entry, or a checkpoint that contradicts
///         what else the log says; the file is named.
/// Cost    O(files of the snapshot + log files since the checkpoint).
Result<std::shared_ptr<TableState>> load_state(store::ObjectStore& store,
                                               data::SqlEngine& sql,
                                               const std::string& key,
                                               std::optional<Version> version,
                                               const CheckpointUse& use = {});

/// The complete checkpoints of a table: object keys of the parts, by version.
///
/// Errors  kNotFound: no table at `key`.
Result<std::map<Version, std::vector<std::string>>> list_checkpoints(store::ObjectStore& store,
                                                                     const std::string& key);

/// The entry of one version. kNotFound when there is none.
Result<LogEntry> read_entry(store::ObjectStore& store, const std::string& key, Version version);

}  // namespace assay::lake
