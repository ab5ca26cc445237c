#include <algorithm>

#include "lake/checkpoint.h"
#include "lake/uri_path.h"

// A checkpoint is the reconciled state at one version: Parquet with one column an action, in one
// file or several; or (version 2) a top file, Parquet or JSON, that names sidecars with the files.
//
// Actions that are few go through their JSON form, as in the log. Files, of which there may be
// 100,000, are read column by column. The type that `schema` gives each column picks the members
// that the protocol knows: others (stats_parsed, ...) are never looked at, missing ones are null.

namespace assay::lake {
namespace {

using data::SqlEngine;

constexpr int64_t kLinesPerBatch = 8'192;
constexpr int64_t kFilesPerBatch = 65'536;

constexpr std::string_view kVectorType =
    "STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, \"offset\" BIGINT, sizeInBytes BIGINT, "
    "cardinality BIGINT)";

struct ActionColumn {
  std::string_view name;
  std::string_view type;
};
constexpr ActionColumn kFewColumns[] = {
    {"protocol",
     "STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], "
     "writerFeatures VARCHAR[])"},
    {"metaData",
     "STRUCT(id VARCHAR, \"name\" VARCHAR, format STRUCT(provider VARCHAR), schemaString VARCHAR, "
     "partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)"},
    {"txn", "STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)"},
    {"sidecar", "STRUCT(path VARCHAR)"},
    {"checkpointMetadata", "STRUCT(version BIGINT)"},
};

std::string list_of(const store::ObjectStore& store, const std::vector<std::string>& keys) {
  std::string files;
  for (const std::string& key : keys) {
    files += (files.empty() ? "" : ", ") + SqlEngine::literal(store.read_path(key));
  }
  return "[" + files + "]";
}

/// "read_parquet([...], schema=MAP{...})" with these columns, null where a file lacks them.
std::string parquet_relation(const store::ObjectStore& store,
                             const std::vector<std::string>& keys,
                             const std::vector<std::pair<std::string, std::string>>& columns) {
  std::string schema;
  for (const auto& [name, type] : columns) {
    schema += (schema.empty() ? "" : ", ") + SqlEngine::literal(name) +
              ": {name: " + SqlEngine::literal(name) + ", type: " + SqlEngine::literal(type) +
              ", default_value: NULL}";
  }
  return "read_parquet(" + list_of(store, keys) + ", hive_partitioning=false, schema=MAP {" +
         schema + "})";
}

/// What the SQL engine cannot bind or find is a checkpoint that is none: never "no such table".
Status checkpoint_failure(const std::string& name, const Status& status) {
  const bool is_content =
      status.code() == Code::kInvalidArgument || status.code() == Code::kNotFound;
  return {is_content ? Code::kCorrupt : status.code(),
          "checkpoint " + name + ": " + status.message() +
              (is_content || status.code() == Code::kCorrupt ? doctor_writes_anew(name) : "")};
}

Result<LogEntry> read_few_actions(store::ObjectStore& store,
                                  SqlEngine& sql,
                                  const std::vector<std::string>& parts) {
  std::vector<std::pair<std::string, std::string>> columns;
  std::string members;
  std::string any;
  for (const ActionColumn& column : kFewColumns) {
    columns.emplace_back(column.name, column.type);
    const std::string name = SqlEngine::identifier(column.name);
    members += ", CASE WHEN " + name + " IS NOT NULL THEN '\"" + std::string(column.name) +
               "\":' || CAST(to_json(" + name + ") AS VARCHAR) END";
    any += (any.empty() ? "" : " OR ") + name + " IS NOT NULL";
  }
  const std::string query = "SELECT '{' || concat_ws(','" + members + ") || '}' FROM " +
                            parquet_relation(store, parts, columns) + " WHERE " + any;
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<data::BatchReader> reader,
                         sql.stream(query, kLinesPerBatch));
  LogEntry entry;
  JsonReader json;
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, reader->next());
    if (!batch) {
      return entry;
    }
    for (int64_t row = 0; row < batch->rows(); ++row) {
      ASSAY_RETURN_IF_ERROR(parse_action(json, batch->column(0).text(row), entry));
    }
  }
}

/// Expressions over one action's struct column, in the order in which FileRows reads them.
std::string select_action(std::string_view action,
                          std::string_view time,
                          bool has_vectors,
                          const std::vector<std::string>& partition_keys) {
  const std::string name = SqlEngine::identifier(action);
  const auto member = [&](std::string_view of) { return name + "." + SqlEngine::identifier(of); };
  const bool is_add = action == "add";
  std::string out = "SELECT " + member("path") + " AS c0, " + member("size") + " AS c1, " +
                    member(time) + " AS c2, " + (is_add ? member("stats") : "NULL::VARCHAR") +
                    " AS c3, " +
                    (is_add ? "CASE WHEN cardinality(" + member("tags") +
                                  ") > 0 THEN CAST(to_json(" + member("tags") + ") AS VARCHAR) END"
                            : "NULL::VARCHAR") +
                    " AS c4";
  int column = 5;
  const std::string vector = member("deletionVector");
  for (const std::string_view part :
       {"storageType", "pathOrInlineDv", "offset", "sizeInBytes", "cardinality"}) {
    const bool is_text = column < 7;
    out += ", " +
           (has_vectors ? vector + "." + SqlEngine::identifier(part)
                        : std::string(is_text ? "NULL::VARCHAR" : "NULL::BIGINT")) +
           " AS c" + std::to_string(column++);
  }
  for (const std::string& key : partition_keys) {
    out += ", map_extract_value(" + member("partitionValues") + ", " + SqlEngine::literal(key) +
           ") AS c" + std::to_string(column++);
  }
  return out;
}

/// One batch of files or tombstones, as select_action gives them.
class FileRows {
 public:
  FileRows(const data::Batch& batch, const std::vector<std::string>& partition_keys)
      : batch_(batch), partition_keys_(partition_keys) {}

  [[nodiscard]] std::string text(int column, int64_t row) const {
    return std::string(batch_.column(column).text(row));
  }
  [[nodiscard]] int64_t number(int column, int64_t row, int64_t missing) const {
    const data::Column& values = batch_.column(column);
    return values.is_null(row) ? missing : values.values<int64_t>()[static_cast<std::size_t>(row)];
  }
  Result<std::string> path(int64_t row) const {
    if (batch_.column(0).is_null(row)) {
      return Status(Code::kCorrupt, "a file without a path");
    }
    return decode_data_path(text(0, row));
  }
  Result<std::optional<DeletionVector>> deletion_vector(int64_t row) const {
    if (batch_.column(5).is_null(row)) {
      return std::optional<DeletionVector>();
    }
    DeletionVector vector;
    vector.storage_type = text(5, row);
    vector.path_or_inline = text(6, row);
    vector.offset = number(7, row, 0);
    vector.size_bytes = number(8, row, -1);
    vector.cardinality = number(9, row, -1);
    ASSAY_RETURN_IF_ERROR(validate_deletion_vector(vector));
    return std::optional(std::move(vector));
  }
  /// An empty text is null, as in log entries.
  [[nodiscard]] std::map<std::string, std::optional<std::string>> partition_values(
      int64_t row) const {
    std::map<std::string, std::optional<std::string>> values;
    int column = 10;
    for (const std::string& key : partition_keys_) {
      const std::string_view value = batch_.column(column++).text(row);
      values.emplace(key, value.empty() ? std::nullopt : std::optional(std::string(value)));
    }
    return values;
  }
  Result<std::shared_ptr<const DataFile>> file(JsonReader& json, int64_t row) const {
    auto file = std::make_shared<DataFile>();
    ASSAY_ASSIGN_OR_RETURN(file->path, path(row));
    file->partition_values = partition_values(row);
    file->size_bytes = number(1, row, -1);
    if (file->size_bytes < 0) {
      return Status(Code::kCorrupt, "a file without a size: " + file->path);
    }
    file->modification_ms = number(2, row, 0);
    file->stats_json = text(3, row);
    if (!file->stats_json.empty()) {
      file->rows = rows_of_statistics(json, file->stats_json);
    }
    if (batch_.column(4).is_valid(row)) {
      ASSAY_ASSIGN_OR_RETURN(const JsonValue tags, json.read(batch_.column(4).text(row)));
      for (const auto& [name, value] : *tags.object()) {
        if (value.text() != nullptr) {
          file->tags[name] = *value.text();
        }
      }
    }
    ASSAY_ASSIGN_OR_RETURN(file->deletion_vector, deletion_vector(row));
    return std::shared_ptr<const DataFile>(std::move(file));
  }
  Result<std::shared_ptr<const RemoveAction>> tombstone(int64_t row) const {
    auto remove = std::make_shared<RemoveAction>();
    ASSAY_ASSIGN_OR_RETURN(remove->path, path(row));
    remove->deletion_ms = number(2, row, 0);
    remove->data_change = false;
    remove->partition_values = partition_values(row);
    remove->size_bytes = number(1, row, -1);
    ASSAY_ASSIGN_OR_RETURN(remove->deletion_vector, deletion_vector(row));
    return std::shared_ptr<const RemoveAction>(std::move(remove));
  }

 private:
  const data::Batch& batch_;
  const std::vector<std::string>& partition_keys_;
};

/// Call `each` with every batch of a query.
template <typename Each>
Status for_each_batch(SqlEngine& sql, const std::string& query, const Each& each) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<data::BatchReader> reader,
                         sql.stream(query, kFilesPerBatch));
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, reader->next());
    if (!batch) {
      return {};
    }
    ASSAY_RETURN_IF_ERROR(each(*batch));
  }
}

/// Asking for members that no file has costs as much as reading them.
Result<bool> have_deletion_vectors(const store::ObjectStore& store,
                                   SqlEngine& sql,
                                   const std::vector<std::string>& keys) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                         sql.query("SELECT count(*) FROM parquet_schema(" + list_of(store, keys) +
                                   ") WHERE name = 'deletionVector'"));
  return rows.column(0).values<int64_t>()[0] > 0;
}

Status read_files(store::ObjectStore& store,
                  SqlEngine& sql,
                  const std::vector<std::string>& keys,
                  const std::vector<std::string>& partition_keys,
                  CheckpointFiles& out) {
  const std::string values = ", partitionValues MAP(VARCHAR, VARCHAR), size BIGINT";
  ASSAY_ASSIGN_OR_RETURN(const bool has_vectors, have_deletion_vectors(store, sql, keys));
  const std::string vector =
      has_vectors ? ", deletionVector " + std::string(kVectorType) + ")" : ")";
  const std::string adds = parquet_relation(
      store,
      keys,
      {{"add",
        "STRUCT(path VARCHAR" + values +
            ", modificationTime BIGINT, stats VARCHAR, tags MAP(VARCHAR, VARCHAR)" + vector}});
  JsonReader json;
  ASSAY_RETURN_IF_ERROR(for_each_batch(
      sql,
      select_action("add", "modificationTime", has_vectors, partition_keys) + " FROM " + adds +
          " WHERE \"add\" IS NOT NULL",
      [&](const data::Batch& batch) -> Status {
        const FileRows rows(batch, partition_keys);
        for (int64_t row = 0; row < batch.rows(); ++row) {
          ASSAY_ASSIGN_OR_RETURN(std::shared_ptr<const DataFile> file, rows.file(json, row));
          out.files.push_back(std::move(file));
        }
        return {};
      }));
  const std::string removes = parquet_relation(
      store,
      keys,
      {{"remove", "STRUCT(path VARCHAR" + values + ", deletionTimestamp BIGINT" + vector}});
  return for_each_batch(sql,
                        select_action("remove", "deletionTimestamp", has_vectors, partition_keys) +
                            " FROM " + removes + " WHERE \"remove\" IS NOT NULL",
                        [&](const data::Batch& batch) -> Status {
                          const FileRows rows(batch, partition_keys);
                          for (int64_t row = 0; row < batch.rows(); ++row) {
                            ASSAY_ASSIGN_OR_RETURN(std::shared_ptr<const RemoveAction> remove,
                                                   rows.tombstone(row));
                            out.tombstones.push_back(std::move(remove));
                          }
                          return {};
                        });
}

Result<std::string> sidecar_key(const std::string& log_prefix, const SidecarAction& sidecar) {
  if (sidecar.path.find('/') != std::string::npos) {
    return Status(Code::kUnimplemented,
                  "a sidecar outside the table's log is not supported: " + sidecar.path);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string name, decode_log_path(sidecar.path));
  std::string key = log_prefix + "_sidecars/" + name;
  const Status valid = store::validate_key(key);
  return valid.ok() ? Result<std::string>(std::move(key))
                    : Status(Code::kCorrupt, "bad path of a sidecar: " + valid.message());
}

bool is_json(const std::string& part) {
  return part.ends_with(".json");
}

}  // namespace

std::string doctor_writes_anew(const std::string& part) {
  const std::string key = part.substr(0, part.rfind("/_delta_log/"));
  return "; `assay lake doctor " + key + " --mend` writes it anew from the log";
}

CheckpointHint read_checkpoint_hint(store::ObjectStore& store, const std::string& log_prefix) {
  const Result<std::string> bytes = store.get(log_prefix + "_last_checkpoint");
  JsonReader json;
  const Result<JsonValue> value = bytes.ok() ? json.read(*bytes) : bytes.status();
  CheckpointHint hint;
  const JsonValue* version = value.ok() ? value->find("version") : nullptr;
  const JsonValue* files = value.ok() ? value->find("numOfAddFiles") : nullptr;
  if (version != nullptr && version->integer() != nullptr) {
    hint.version = *version->integer();
    if (files != nullptr && files->integer() != nullptr) {
      hint.add_files = *files->integer();
    }
  }
  return hint;
}

Result<LogEntry> read_checkpoint(store::ObjectStore& store,
                                 SqlEngine& sql,
                                 Version version,
                                 const std::vector<std::string>& parts) {
  Result<LogEntry> entry = Status(Code::kInternal, "not read");
  if (is_json(parts.front())) {
    const Result<std::string> bytes = store.get(parts.front());
    entry = bytes.ok() ? parse_log_entry(parts.front(), *bytes) : bytes.status();
  } else {
    entry = read_few_actions(store, sql, parts);
  }
  if (!entry.ok()) {
    return checkpoint_failure(parts.front(), entry.status());
  }
  if (!entry->protocol || !entry->metadata) {
    return checkpoint_failure(parts.front(), {Code::kCorrupt, "no protocol or no metaData in it"});
  }
  if (entry->checkpoint_version.value_or(version) != version) {
    return checkpoint_failure(
        parts.front(),
        {Code::kCorrupt,
         "by its own word it is of version " + std::to_string(*entry->checkpoint_version)});
  }
  return entry;
}

Result<CheckpointFiles> read_checkpoint_files(store::ObjectStore& store,
                                              SqlEngine& sql,
                                              const std::string& log_prefix,
                                              const std::vector<std::string>& parts,
                                              const LogEntry& entry,
                                              const std::vector<std::string>& partition_keys) {
  CheckpointFiles out;
  std::vector<std::string> keys;
  if (is_json(parts.front())) {
    for (const AddAction& add : entry.adds) {
      out.files.push_back(std::make_shared<const DataFile>(add.file));
    }
    for (const RemoveAction& remove : entry.removes) {
      out.tombstones.push_back(std::make_shared<const RemoveAction>(remove));
    }
  } else {
    keys = parts;
  }
  for (const SidecarAction& sidecar : entry.sidecars) {
    const Result<std::string> key = sidecar_key(log_prefix, sidecar);
    if (!key.ok()) {
      return checkpoint_failure(parts.front(), key.status());
    }
    keys.push_back(*key);
  }
  if (!keys.empty()) {
    const Status read = read_files(store, sql, keys, partition_keys, out);
    if (!read.ok()) {
      return checkpoint_failure(parts.front(), read);
    }
  }
  return out;
}

}  // namespace assay::lake
