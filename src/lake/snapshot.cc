#include "lake/snapshot.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "lake/checkpoint.h"
#include "lake/schema_json.h"

namespace assay::lake {
namespace {

constexpr int64_t kReaderVersion = 1;
constexpr int64_t kWriterVersion = 2;

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

Status validate_readable(const ProtocolAction& protocol) {
  if (!protocol.reader_features.empty()) {
    return {Code::kUnimplemented,
            "table features are not supported: " + joined(protocol.reader_features)};
  }
  // Reader 2 only adds column mapping, which the table's configuration turns on or not.
  if (protocol.reader_version > kReaderVersion + 1) {
    return {Code::kUnimplemented,
            "Delta reader version is not supported: " + std::to_string(protocol.reader_version)};
  }
  return {};
}

Status apply_metadata(TableState& state, const MetadataAction& metadata) {
  const auto mapping = metadata.configuration.find("delta.columnMapping.mode");
  if (mapping != metadata.configuration.end() && mapping->second != "none") {
    return {Code::kUnimplemented, "column mapping is not supported: mode " + mapping->second};
  }
  ASSAY_ASSIGN_OR_RETURN(state.snapshot.schema, schema_from_json(metadata.schema_string));
  for (const std::string& name : metadata.partition_columns) {
    if (!state.snapshot.schema->find(name)) {
      return {Code::kCorrupt, "partition column is not in the schema: `" + name + "`"};
    }
  }
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

/// "000..07.json" or "000..07.checkpoint[.part.parts].parquet": the version, and what follows it.
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

/// Parts of ".checkpoint.0000000001.0000000002.parquet"; 1 for a classic one; 0 for anything else.
int checkpoint_parts(std::string_view rest) {
  if (rest == ".checkpoint.parquet") {
    return 1;
  }
  constexpr std::string_view kShape = ".checkpoint.0000000000.0000000000.parquet";
  if (rest.size() != kShape.size() || !rest.starts_with(".checkpoint.") ||
      !rest.ends_with(".parquet") || rest[22] != '.') {
    return 0;
  }
  int parts = 0;
  const auto [end, error] = std::from_chars(rest.data() + 23, rest.data() + 33, parts);
  return error == std::errc() && end == rest.data() + 33 ? parts : 0;
}

Result<LogListing> list_log(store::ObjectStore& store, const std::string& key) {
  const std::string prefix = log_prefix(key);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::ObjectInfo> objects, store.list(prefix));
  LogListing listing;
  std::map<std::pair<Version, int>, std::vector<std::string>> parts;
  for (const store::ObjectInfo& object : objects) {
    const auto split = split_log_name(std::string_view(object.key).substr(prefix.size()));
    if (!split) {
      continue;
    }
    const auto [version, rest] = *split;
    const int part_count = checkpoint_parts(rest);
    if (rest == ".json") {
      listing.newest = std::max(listing.newest, version);
      listing.oldest_entry = listing.oldest_entry < 0 ? version : listing.oldest_entry;
    } else if (part_count > 0) {
      std::vector<std::string>& found = parts[{version, part_count}];
      found.push_back(object.key);
      if (found.size() == static_cast<std::size_t>(part_count)) {
        listing.checkpoints[version] = found;
        listing.newest = std::max(listing.newest, version);
      }
    }
  }
  if (listing.newest < 0) {
    return Status(Code::kNotFound, "no table at " + key);
  }
  return listing;
}

Status validate_complete(const TableState& state) {
  if (state.snapshot.schema == nullptr) {
    return {Code::kCorrupt,
            "the log holds no metaData up to version " + std::to_string(state.snapshot.version)};
  }
  return {};
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
    state.snapshot.files.erase(remove.path);
    state.tombstones[remove.path] = remove;
  }
  for (const AddAction& add : entry.adds) {
    state.tombstones.erase(add.file.path);
    state.snapshot.files[add.file.path] = add.file;
  }
  state.snapshot.version = version;
  return {};
}

Status validate_writable(const TableState& state) {
  const ProtocolAction& protocol = state.protocol;
  if (!protocol.writer_features.empty()) {
    return {
        Code::kUnimplemented,
        "writing to a table with features is not supported: " + joined(protocol.writer_features)};
  }
  if (protocol.reader_version > kReaderVersion || protocol.writer_version > kWriterVersion) {
    return {Code::kUnimplemented,
            "writing to a table of Delta writer version " +
                std::to_string(protocol.writer_version) + " is not supported; 2 is"};
  }
  return {};
}

Result<std::shared_ptr<TableState>> load_state(store::ObjectStore& store,
                                               data::SqlEngine& sql,
                                               const std::string& key,
                                               std::optional<Version> version) {
  ASSAY_ASSIGN_OR_RETURN(const LogListing listing, list_log(store, key));
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
    ASSAY_ASSIGN_OR_RETURN(const LogEntry entry, read_checkpoint(store, sql, parts));
    ASSAY_RETURN_IF_ERROR(
        apply_entry(*state, checkpoint, entry).with_context("checkpoint " + parts.front()));
  } else if (listing.oldest_entry > 0 && last < listing.oldest_entry) {
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
                    "version " + std::to_string(next) +
                        " is missing in the log: " + log_prefix(key) + log_file_name(next));
    }
    ASSAY_RETURN_IF_ERROR(entry.status());
    ASSAY_RETURN_IF_ERROR(apply_entry(*state, next, *entry)
                              .with_context("log entry " + log_prefix(key) + log_file_name(next)));
  }
  ASSAY_RETURN_IF_ERROR(validate_complete(*state).with_context("table " + key));
  return state;
}

Result<LogEntry> read_entry(store::ObjectStore& store, const std::string& key, Version version) {
  const std::string name = log_prefix(key) + log_file_name(version);
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes, store.get(name));
  return parse_log_entry(name, bytes);
}

std::optional<int64_t> Snapshot::txn(const std::string& app_id) const {
  const auto found = txns.find(app_id);
  return found == txns.end() ? std::nullopt : std::optional(found->second);
}

int64_t Snapshot::rows() const {
  int64_t total = 0;
  for (const auto& [path, file] : files) {
    total += std::max<int64_t>(file.rows, 0);
  }
  return total;
}

}  // namespace assay::lake
