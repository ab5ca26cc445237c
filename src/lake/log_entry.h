#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "lake/delta_table.h"
#include "lake/json_value.h"

namespace assay::lake {

// The actions of Delta's log. Source: docs/formats/delta.md; Delta Lake, PROTOCOL.md, "Actions".

struct ProtocolAction {
  int64_t reader_version = 1;
  int64_t writer_version = 2;
  std::vector<std::string> reader_features;
  std::vector<std::string> writer_features;
};

struct MetadataAction {
  std::string id;
  std::string name;
  std::string schema_string;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  int64_t created_ms = 0;
};

struct AddAction {
  DataFile file;
  bool data_change = true;
};

struct RemoveAction {
  std::string path;  // percent-decoded once, as DataFile::path
  int64_t deletion_ms = 0;
  bool data_change = true;
  std::map<std::string, std::optional<std::string>> partition_values;
  int64_t size_bytes = -1;  // -1: the writer did not say
  std::optional<DeletionVector> deletion_vector = {};
};

/// A file of a checkpoint's actions, below _delta_log/_sidecars.
struct SidecarAction {
  std::string path;
};

struct TxnAction {
  std::string app_id;
  int64_t version = 0;
  int64_t updated_ms = 0;  // 0: the writer did not say
};

struct CommitInfoAction {
  int64_t timestamp_ms = 0;
  std::string operation;
  std::map<std::string, std::string> parameters;
  bool blind_append = false;
  std::string txn_id;                        // unique per commit: tells whose bytes a version holds
  std::string engine = {};                   // who wrote it; "" writes our own name and version
  std::optional<int64_t> in_commit_ms = {};  // inCommitTimestamp
};

/// Everything that one log file says.
struct LogEntry {
  std::optional<CommitInfoAction> info;
  std::optional<ProtocolAction> protocol;
  std::optional<MetadataAction> metadata;
  std::vector<TxnAction> txns;
  std::vector<RemoveAction> removes;
  std::vector<AddAction> adds;
  std::vector<SidecarAction> sidecars;  // of checkpoints
  std::optional<Version> checkpoint_version;
};

/// Read one line of a log file into `entry`. Unknown actions and members are ignored.
///
/// Errors  kCorrupt: not an action that the protocol allows. kUnimplemented: a format other than
///         Parquet, a path outside the table; the message names it.
Status parse_action(JsonReader& json, std::string_view line, LogEntry& entry);

/// A path of the log as a key below the table's root. Errors as parse_action.
Result<std::string> decode_data_path(const std::string& text);

/// kUnimplemented: a kind of storage that the protocol does not know; kCorrupt: negative numbers.
Status validate_deletion_vector(const DeletionVector& vector);

/// numRecords of a file's statistics; -1 when they do not say.
int64_t rows_of_statistics(JsonReader& json, const std::string& stats);

/// Read a whole log file: one action a line.
///
/// Errors  as parse_action, with `name` and the line number from 1; kCorrupt also for no action at
/// all.
Result<LogEntry> parse_log_entry(const std::string& name, std::string_view bytes);

/// Append one action and a line end.
void append_action(std::string& out, const CommitInfoAction& info);
void append_action(std::string& out, const ProtocolAction& protocol);
void append_action(std::string& out, const MetadataAction& metadata);
void append_action(std::string& out, const TxnAction& txn);
void append_action(std::string& out, const RemoveAction& remove);
void append_action(std::string& out, const AddAction& add);

/// The file that a version's commit is: its 20 digits and ".json".
std::string log_file_name(Version version);

}  // namespace assay::lake
