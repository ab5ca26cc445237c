#include "lake/snapshot.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "lake/checkpoint.h"
#include "lake/deletion_vector.h"
#include "lake/schema_json.h"
#include "lake/table_columns.h"

namespace assay::lake {
namespace {

/// The same with the sizes of arrays, which only tables of ours know: Delta has lists.
data::SchemaPtr with_array_sizes(const data::SchemaPtr& schema, const std::string& schema_string) {
  const Result<data::SchemaPtr> ours = schema_from_json(schema_string);
  return ours.ok() && (*ours)->names() == schema->names() ? *ours : schema;
}

constexpr int64_t kReaderVersionMax = 3;
constexpr int64_t kWrittenReaderVersion = 1;
constexpr int64_t kWrittenWriterVersion = 2;

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

/// Features of readers that we have, or that ask nothing of a reader.
constexpr std::string_view kReaderFeatures[] = {"columnMapping",
                                                "deletionVectors",
                                                "timestampNtz",
                                                "typeWidening",
                                                "v2Checkpoint",
                                                "vacuumProtocolCheck"};
constexpr std::string_view kMappingMode = "delta.columnMapping.mode";

Status validate_readable(const ProtocolAction& protocol) {
  if (protocol.reader_version > kReaderVersionMax || protocol.reader_version < 1) {
    return {Code::kUnimplemented,
            "Delta reader version " + std::to_string(protocol.reader_version) +
                " is not supported; up to " + std::to_string(kReaderVersionMax) + " is"};
  }
  std::vector<std::string> unknown;
  for (const std::string& feature : protocol.reader_features) {
    if (std::find(std::begin(kReaderFeatures), std::end(kReaderFeatures), feature) ==
        std::end(kReaderFeatures)) {
      unknown.push_back(feature);
    }
  }
  if (!unknown.empty()) {
    return {Code::kUnimplemented,
            "table features are not supported: " + joined(unknown) +
                "; drop them with the engine that owns the table (ALTER TABLE ... DROP FEATURE)"};
  }
  return {};
}

Result<ColumnMapping> column_mapping(const ProtocolAction& protocol,
                                     const MetadataAction& metadata) {
  const auto mode = metadata.configuration.find(std::string(kMappingMode));
  if (mode == metadata.configuration.end() || mode->second == "none") {
    return ColumnMapping::kNone;
  }
  const auto& features = protocol.reader_features;
  const bool allowed =
      protocol.reader_version == 2 ||
      std::find(features.begin(), features.end(), "columnMapping") != features.end();
  if (!allowed) {
    return Status(Code::kCorrupt,
                  "the table's configuration maps columns, its protocol does not: " + mode->second);
  }
  if (mode->second == "name") {
    return ColumnMapping::kByName;
  }
  if (mode->second == "id") {
    return ColumnMapping::kById;
  }
  return Status(Code::kUnimplemented, "column mapping mode is not supported: " + mode->second);
}

Status apply_metadata(TableState& state, const MetadataAction& metadata) {
  ASSAY_ASSIGN_OR_RETURN(state.snapshot.mapping, column_mapping(state.protocol, metadata));
  ASSAY_ASSIGN_OR_RETURN(std::vector<TableColumn> columns,
                         table_columns_from_json(metadata.schema_string, state.snapshot.mapping));
  for (const std::string& name : metadata.partition_columns) {
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const TableColumn& column) {
      return column.name == name && column.type.kind == ColumnType::Kind::kPrimitive;
    });
    if (found == columns.end()) {
      return {Code::kCorrupt, "partition column is not in the schema: `" + name + "`"};
    }
  }
  state.snapshot.schema = with_array_sizes(batch_schema_of(columns), metadata.schema_string);
  state.snapshot.columns = std::make_shared<const std::vector<TableColumn>>(std::move(columns));
  state.snapshot.partition_columns = metadata.partition_columns;
  state.snapshot.configuration = metadata.configuration;
  state.metadata = metadata;
  return {};
}

/// What a folder listing says about a log.
struct LogListing {
  Version newest = -1;  // by log files and checkpoints
  Version oldest_entry = -1;
  std::map<Version, std::vector<std::string>>
      checkpoints;  // complete ones: object keys of the parts
};

/// "000..07.json" or "000..07.checkpoint...": the version, and what follows it.
std::optional<std::pair<Version, std::string_view>> split_log_name(std::string_view name) {
  constexpr std::size_t kDigits = 20;
  Version version = 0;
  if (name.size() <= kDigits || name[kDigits] != '.') {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, version);
  if (error != std::errc() || end != name.data() + kDigits || version < 0) {
    return std::nullopt;
  }
  return std::pair(version, name.substr(kDigits));
}

/// Parts of ".checkpoint.0000000001.0000000002.parquet"; 1 for a classic one and for one named by a
/// UUID; 0 for anything else.
int checkpoint_parts(std::string_view rest) {
  if (rest == ".checkpoint.parquet") {
    return 1;
  }
  constexpr std::string_view kBegin = ".checkpoint.";
  constexpr std::size_t kUuidChars = 36;
  if (!rest.starts_with(kBegin)) {
    return 0;
  }
  const std::string_view name = rest.substr(kBegin.size());
  if (name.size() > kUuidChars && name.find('.') == kUuidChars) {
    const std::string_view ending = name.substr(kUuidChars);
    return ending == ".parquet" || ending == ".json" ? 1 : 0;
  }
  constexpr std::string_view kShape = "0000000000.0000000000.parquet";
  if (name.size() != kShape.size() || !name.ends_with(".parquet") || name[10] != '.') {
    return 0;
  }
  int parts = 0;
  const auto [end, error] = std::from_chars(name.data() + 11, name.data() + 21, parts);
  return error == std::errc() && end == name.data() + 21 ? parts : 0;
}

Result<LogListing> list_log(store::ObjectStore& store,
                            const std::string& key,
                            const std::set<std::string>& without = {}) {
  const std::string prefix = log_prefix(key);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::ObjectInfo> objects, store.list(prefix));
  LogListing listing;
  std::map<std::pair<Version, int>, std::vector<std::string>> parts;
  for (const store::ObjectInfo& object : objects) {
    const auto split = split_log_name(std::string_view(object.key).substr(prefix.size()));
    if (!split || without.count(object.key) != 0) {
      continue;
    }
    const auto [version, rest] = *split;
    const int part_count = checkpoint_parts(rest);
    if (rest == ".json") {
      listing.newest = std::max(listing.newest, version);
      listing.oldest_entry = listing.oldest_entry < 0 ? version : listing.oldest_entry;
    } else if (part_count == 1) {
      listing.checkpoints[version] = {object.key};
      listing.newest = std::max(listing.newest, version);
    } else if (part_count > 1) {
      std::vector<std::string>& found = parts[{version, part_count}];
      found.push_back(object.key);
      if (found.size() == static_cast<std::size_t>(part_count)) {
        listing.checkpoints.try_emplace(version, found);
        listing.newest = std::max(listing.newest, version);
      }
    }
  }
  if (listing.newest < 0) {
    return Status(Code::kNotFound, "no table at " + key);
  }
  return listing;
}

bool has_rules(const TableColumn& column) {
  return column.has_rules ||
         std::any_of(column.type.fields.begin(), column.type.fields.end(), has_rules);
}

/// The state that a checkpoint holds.
Status apply_checkpoint(store::ObjectStore& store,
                        data::SqlEngine& sql,
                        const std::string& key,
                        Version version,
                        const std::vector<std::string>& parts,
                        TableState& state) {
  ASSAY_ASSIGN_OR_RETURN(const LogEntry entry, read_checkpoint(store, sql, version, parts));
  ASSAY_RETURN_IF_ERROR(
      apply_entry(state, version, entry).with_context("checkpoint " + parts.front()));
  ASSAY_ASSIGN_OR_RETURN(
      CheckpointFiles content,
      read_checkpoint_files(
          store, sql, log_prefix(key), parts, entry, partition_keys(state.snapshot)));
  state.tombstones.assign(std::move(content.tombstones));
  state.snapshot.files.assign(std::move(content.files));
  return {};
}

/// A checkpoint that lacks files, or a hint that is of another one.
Status validate_hint(store::ObjectStore& store,
                     const std::string& key,
                     Version version,
                     const std::string& part,
                     const TableState& state) {
  const CheckpointHint hint = read_checkpoint_hint(store, log_prefix(key));
  const auto files = static_cast<int64_t>(state.snapshot.files.size());
  if (hint.version == version && hint.add_files.value_or(files) != files) {
    return {Code::kCorrupt,
            "checkpoint " + part + " holds " + std::to_string(files) + " files, but " +
                log_prefix(key) + "_last_checkpoint says " + std::to_string(*hint.add_files) +
                "; `assay lake doctor " + key +
                "` says which of them is wrong, and `--mend` writes that anew"};
  }
  return {};
}

Status validate_complete(const TableState& state) {
  if (state.snapshot.schema == nullptr) {
    return {Code::kCorrupt,
            "the log holds no metaData up to version " + std::to_string(state.snapshot.version)};
  }
  return {};
}

/// What to do about the log file of a version, to be put behind a message.
std::string what_to_do(const std::string& key, Version version) {
  const std::string before = std::to_string(version - 1);
  return "; bring it back from a backup" +
         (version == 0
              ? ""
              : ", version " + before + " can still be read (VERSION AS OF " + before + ")") +
         "; `assay lake doctor " + key + "` examines the rest";
}

Status told_what_to_do(const Status& status, const std::string& key, Version version) {
  return status.code() == Code::kCorrupt
             ? Status(Code::kCorrupt, status.message() + what_to_do(key, version))
             : status;
}

}  // namespace

std::string log_prefix(const std::string& key) {
  return key + "/_delta_log/";
}

Status apply_entry(TableState& state, Version version, const LogEntry& entry) {
  if (entry.protocol) {
    ASSAY_RETURN_IF_ERROR(validate_readable(*entry.protocol));
    state.protocol = *entry.protocol;
  }
  if (entry.metadata) {
    ASSAY_RETURN_IF_ERROR(apply_metadata(state, *entry.metadata));
  }
  for (const TxnAction& txn : entry.txns) {
    state.snapshot.txns[txn.app_id] = txn.version;
    state.txn_updated_ms[txn.app_id] = txn.updated_ms;
  }
  for (const RemoveAction& remove : entry.removes) {
    // A file with another deletion vector is another file of the log.
    const auto file = state.snapshot.files.get(remove.path);
    if (file != nullptr &&
        deletion_vector_id(file->deletion_vector) == deletion_vector_id(remove.deletion_vector)) {
      state.snapshot.files.erase(remove.path);
    }
    state.rows_changed_version = remove.data_change ? version : state.rows_changed_version;
    state.tombstones.put(remove);
  }
  for (const AddAction& add : entry.adds) {
    state.tombstones.erase(add.file.path);
    state.rows_changed_version = add.data_change ? version : state.rows_changed_version;
    state.snapshot.files.put(add.file);
  }
  state.snapshot.version = version;
  return {};
}

Status validate_writable(const TableState& state) {
  const ProtocolAction& protocol = state.protocol;
  if (!protocol.writer_features.empty()) {
    return {
        Code::kUnimplemented,
        "writing to a table with features is not supported: " + joined(protocol.writer_features) +
            "; write with the engine that owns the table, or drop the features there (ALTER TABLE "
            "... DROP FEATURE)"};
  }
  if (protocol.reader_version > kWrittenReaderVersion ||
      protocol.writer_version > kWrittenWriterVersion) {
    return {Code::kUnimplemented,
            "writing to a table of Delta reader version " +
                std::to_string(protocol.reader_version) + " and writer version " +
                std::to_string(protocol.writer_version) +
                " is not supported, 1 and 2 are; write with the engine that owns the table"};
  }
  const std::vector<TableColumn>& columns = *state.snapshot.columns;
  for (const TableColumn& column : columns) {
    if (has_rules(column)) {
      return {Code::kUnimplemented,
              "writing to a table with invariants or generated columns is not supported: column `" +
                  column.name + "`"};
    }
    if (!state.snapshot.schema->find(column.name)) {
      return {Code::kUnimplemented,
              "writing columns of type " + sql_type_of(column.type, NameKind::kLogical) +
                  " is not supported: column `" + column.name + "`"};
    }
  }
  return {};
}

Result<std::shared_ptr<TableState>> load_state(store::ObjectStore& store,
                                               data::SqlEngine& sql,
                                               const std::string& key,
                                               std::optional<Version> version,
                                               const CheckpointUse& use) {
  ASSAY_ASSIGN_OR_RETURN(LogListing listing, list_log(store, key, use.without_parts));
  for (const Version passed_over : use.without) {
    listing.checkpoints.erase(passed_over);
  }
  const Version last = version.value_or(listing.newest);
  if (last > listing.newest || last < 0) {
    return Status(Code::kNotFound,
                  "table " + key + " has versions up to " + std::to_string(listing.newest) +
                      ", not " + std::to_string(last));
  }
  auto state = std::make_shared<TableState>();
  const auto after = listing.checkpoints.upper_bound(last);
  if (after != listing.checkpoints.begin()) {
    const auto& [checkpoint, parts] = *std::prev(after);
    ASSAY_RETURN_IF_ERROR(apply_checkpoint(store, sql, key, checkpoint, parts, *state));
    ASSAY_RETURN_IF_ERROR(use.hinted ? validate_hint(store, key, checkpoint, parts.front(), *state)
                                     : Status());
    state->rows_changed_version = checkpoint;  // a checkpoint does not say which were the newest
  } else if (listing.oldest_entry > 0 &&
             (last < listing.oldest_entry || !listing.checkpoints.empty())) {
    return Status(
        Code::kNotFound,
        "version " + std::to_string(last) + " of table " + key + " is no longer in its log");
  }
  for (Version next = state->snapshot.version + 1; next <= last; ++next) {
    const Result<LogEntry> entry = read_entry(store, key, next);
    if (entry.code() == Code::kNotFound) {
      // Versions are created in order, so a listing that shows a later one cannot have raced this
      // one.
      return Status(Code::kCorrupt,
                    "version " + std::to_string(next) + " is missing in the log: " +
                        log_prefix(key) + log_file_name(next) + what_to_do(key, next));
    }
    ASSAY_RETURN_IF_ERROR(entry.status());
    ASSAY_RETURN_IF_ERROR(
        told_what_to_do(apply_entry(*state, next, *entry)
                            .with_context("log entry " + log_prefix(key) + log_file_name(next)),
                        key,
                        next));
  }
  ASSAY_RETURN_IF_ERROR(validate_complete(*state).with_context("table " + key));
  return state;
}

Result<std::map<Version, std::vector<std::string>>> list_checkpoints(store::ObjectStore& store,
                                                                     const std::string& key) {
  ASSAY_ASSIGN_OR_RETURN(LogListing listing, list_log(store, key));
  return std::move(listing.checkpoints);
}

Result<LogEntry> read_entry(store::ObjectStore& store, const std::string& key, Version version) {
  const std::string name = log_prefix(key) + log_file_name(version);
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes, store.get(name));
  Result<LogEntry> entry = parse_log_entry(name, bytes);
  return entry.ok() ? std::move(entry) : told_what_to_do(entry.status(), key, version);
}

std::vector<std::string> partition_keys(const Snapshot& snapshot) {
  std::vector<std::string> keys;
  for (const std::string& name : snapshot.partition_columns) {
    const auto found = std::find_if(snapshot.columns->begin(),
                                    snapshot.columns->end(),
                                    [&](const TableColumn& column) { return column.name == name; });
    keys.push_back(found == snapshot.columns->end() ? name : found->physical_name);
  }
  return keys;
}

std::optional<int64_t> Snapshot::txn(const std::string& app_id) const {
  const auto found = txns.find(app_id);
  return found == txns.end() ? std::nullopt : std::optional(found->second);
}

int64_t Snapshot::rows() const {
  int64_t total = 0;
  for (const auto& [path, file] : files) {
    const int64_t deleted = file.deletion_vector ? file.deletion_vector->cardinality : 0;
    total += std::max<int64_t>(file.rows - deleted, 0);
  }
  return total;
}

}  // namespace assay::lake
