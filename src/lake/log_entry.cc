#include "lake/log_entry.h"

#include <charconv>

#include "base/json_writer.h"
#include "lake/uri_path.h"

namespace assay::lake {
namespace {

constexpr const char* kEngine = "Assay/" ASSAY_VERSION;

Status corrupt(const std::string& what) {
  return {Code::kCorrupt, what};
}

/// Reads members of one action; the first failure is kept and later reads give defaults.
class ActionReader {
 public:
  ActionReader(const char* action, const JsonValue& value) : action_(action), value_(value) {}

  std::string text(std::string_view name) {
    const JsonValue* member = required(name);
    const std::string* text = member == nullptr ? nullptr : member->text();
    if (member != nullptr && text == nullptr) {
      fail(name, "is not a string");
    }
    return text == nullptr ? "" : *text;
  }

  std::string text_or_empty(std::string_view name) {
    return value_.find(name) == nullptr ? "" : text(name);
  }

  int64_t integer(std::string_view name) {
    const JsonValue* member = required(name);
    const int64_t* integer = member == nullptr ? nullptr : member->integer();
    if (member != nullptr && integer == nullptr) {
      fail(name, "is not an integer");
    }
    return integer == nullptr ? 0 : *integer;
  }
  /// Not below 0.
  int64_t natural(std::string_view name) {
    const int64_t number = integer(name);
    if (number < 0) {
      fail(name, "is negative");
    }
    return number;
  }

  int64_t integer_or(std::string_view name, int64_t fallback) {
    return value_.find(name) == nullptr ? fallback : integer(name);
  }

  bool boolean_or(std::string_view name, bool fallback) {
    const JsonValue* member = value_.find(name);
    if (member == nullptr) {
      return fallback;
    }
    if (member->boolean() == nullptr) {
      fail(name, "is neither true nor false");
      return fallback;
    }
    return *member->boolean();
  }

  /// A list of strings; empty when absent.
  std::vector<std::string> texts(std::string_view name) {
    std::vector<std::string> result;
    const JsonValue* member = value_.find(name);
    if (member == nullptr) {
      return result;
    }
    if (member->array() == nullptr) {
      fail(name, "is not a list");
      return result;
    }
    for (const JsonValue& item : *member->array()) {
      if (item.text() == nullptr) {
        fail(name, "holds something else than strings");
        return result;
      }
      result.push_back(*item.text());
    }
    return result;
  }

  /// A map of strings or nulls; empty when absent.
  std::map<std::string, std::optional<std::string>> text_map(std::string_view name) {
    std::map<std::string, std::optional<std::string>> result;
    const JsonValue* member = value_.find(name);
    if (member == nullptr) {
      return result;
    }
    if (member->object() == nullptr) {
      fail(name, "is not an object");
      return result;
    }
    for (const auto& [key, value] : *member->object()) {
      if (value.text() != nullptr) {
        result[key] = *value.text();
      } else if (value.is_null()) {
        result[key] = std::nullopt;
      } else {
        fail(name, "holds something else than strings");
      }
    }
    return result;
  }

  [[nodiscard]] const JsonValue* find(std::string_view name) const { return value_.find(name); }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  const JsonValue* required(std::string_view name) {
    const JsonValue* member = value_.find(name);
    if (member == nullptr) {
      fail(name, "is missing");
    }
    return member;
  }

  void fail(std::string_view name, std::string_view why) {
    if (status_.ok()) {
      status_ = corrupt(std::string(action_) + "." + std::string(name) + " " + std::string(why));
    }
  }

  const char* action_;
  const JsonValue& value_;
  Status status_;
};

std::map<std::string, std::string> without_nulls(
    const std::map<std::string, std::optional<std::string>>& map) {
  std::map<std::string, std::string> result;
  for (const auto& [key, value] : map) {
    if (value) {
      result[key] = *value;
    }
  }
  return result;
}

/// Writers disagree on what "" means for a partition; the protocol says null.
std::map<std::string, std::optional<std::string>> empty_as_null(
    std::map<std::string, std::optional<std::string>> values) {
  for (auto& [column, value] : values) {
    if (value && value->empty()) {
      value.reset();
    }
  }
  return values;
}

Result<std::string> read_path(ActionReader& reader) {
  const std::string text = reader.text("path");
  ASSAY_RETURN_IF_ERROR(reader.status());
  return decode_data_path(text);
}

/// The member deletionVector; nothing when there is none.
Result<std::optional<DeletionVector>> read_deletion_vector(const ActionReader& outer) {
  const JsonValue* value = outer.find("deletionVector");
  if (value == nullptr) {
    return std::optional<DeletionVector>();
  }
  ActionReader reader("deletionVector", *value);
  DeletionVector vector;
  vector.storage_type = reader.text("storageType");
  vector.path_or_inline = reader.text("pathOrInlineDv");
  vector.offset = reader.integer_or("offset", 0);
  vector.size_bytes = reader.integer("sizeInBytes");
  vector.cardinality = reader.integer("cardinality");
  ASSAY_RETURN_IF_ERROR(reader.status());
  ASSAY_RETURN_IF_ERROR(validate_deletion_vector(vector));
  return std::optional(std::move(vector));
}

Status parse_add(JsonReader& json, const JsonValue& value, LogEntry& entry) {
  ActionReader reader("add", value);
  AddAction add;
  ASSAY_ASSIGN_OR_RETURN(add.file.path, read_path(reader));
  add.file.partition_values = empty_as_null(reader.text_map("partitionValues"));
  add.file.size_bytes = reader.natural("size");
  add.file.modification_ms = reader.integer_or("modificationTime", 0);
  add.data_change = reader.boolean_or("dataChange", true);
  add.file.stats_json = reader.text_or_empty("stats");
  add.file.tags = without_nulls(reader.text_map("tags"));
  ASSAY_RETURN_IF_ERROR(reader.status());
  ASSAY_ASSIGN_OR_RETURN(add.file.deletion_vector, read_deletion_vector(reader));
  if (!add.file.stats_json.empty()) {
    add.file.rows = rows_of_statistics(json, add.file.stats_json);
  }
  entry.adds.push_back(std::move(add));
  return {};
}

Status parse_remove(const JsonValue& value, LogEntry& entry) {
  ActionReader reader("remove", value);
  RemoveAction remove;
  ASSAY_ASSIGN_OR_RETURN(remove.path, read_path(reader));
  remove.deletion_ms = reader.integer_or("deletionTimestamp", 0);
  remove.data_change = reader.boolean_or("dataChange", true);
  remove.partition_values = empty_as_null(reader.text_map("partitionValues"));
  remove.size_bytes = reader.integer_or("size", -1);
  ASSAY_RETURN_IF_ERROR(reader.status());
  ASSAY_ASSIGN_OR_RETURN(remove.deletion_vector, read_deletion_vector(reader));
  entry.removes.push_back(std::move(remove));
  return {};
}

Status parse_txn(const JsonValue& value, LogEntry& entry) {
  ActionReader reader("txn", value);
  TxnAction txn;
  txn.app_id = reader.text("appId");
  txn.version = reader.integer("version");
  txn.updated_ms = reader.integer_or("lastUpdated", 0);
  ASSAY_RETURN_IF_ERROR(reader.status());
  entry.txns.push_back(std::move(txn));
  return {};
}

Status parse_protocol(const JsonValue& value, LogEntry& entry) {
  ActionReader reader("protocol", value);
  ProtocolAction protocol;
  protocol.reader_version = reader.integer("minReaderVersion");
  protocol.writer_version = reader.integer("minWriterVersion");
  protocol.reader_features = reader.texts("readerFeatures");
  protocol.writer_features = reader.texts("writerFeatures");
  ASSAY_RETURN_IF_ERROR(reader.status());
  entry.protocol = std::move(protocol);
  return {};
}

Status parse_metadata(const JsonValue& value, LogEntry& entry) {
  ActionReader reader("metaData", value);
  MetadataAction metadata;
  metadata.id = reader.text_or_empty("id");
  metadata.name = reader.text_or_empty("name");
  metadata.schema_string = reader.text("schemaString");
  metadata.partition_columns = reader.texts("partitionColumns");
  metadata.configuration = without_nulls(reader.text_map("configuration"));
  metadata.created_ms = reader.integer_or("createdTime", 0);
  ASSAY_RETURN_IF_ERROR(reader.status());
  const JsonValue* format = reader.find("format");
  const JsonValue* provider = format == nullptr ? nullptr : format->find("provider");
  if (provider != nullptr && (provider->text() == nullptr || *provider->text() != "parquet")) {
    return {Code::kUnimplemented, "data files in another format than Parquet are not supported"};
  }
  entry.metadata = std::move(metadata);
  return {};
}

Status parse_sidecar(const JsonValue& value, LogEntry& entry) {
  ActionReader reader("sidecar", value);
  SidecarAction sidecar;
  sidecar.path = reader.text("path");
  ASSAY_RETURN_IF_ERROR(reader.status());
  entry.sidecars.push_back(std::move(sidecar));
  return {};
}

Status parse_checkpoint_metadata(const JsonValue& value, LogEntry& entry) {
  ActionReader reader("checkpointMetadata", value);
  entry.checkpoint_version = reader.integer("version");
  return reader.status();
}

/// commitInfo is free text by the protocol: nothing in it can make a log unreadable.
void parse_info(const JsonValue& value, LogEntry& entry) {
  CommitInfoAction info;
  const auto text = [&](std::string_view name) {
    const JsonValue* member = value.find(name);
    return member == nullptr || member->text() == nullptr ? std::string() : *member->text();
  };
  const JsonValue* timestamp = value.find("timestamp");
  if (timestamp != nullptr && timestamp->integer() != nullptr) {
    info.timestamp_ms = *timestamp->integer();
  }
  const JsonValue* in_commit = value.find("inCommitTimestamp");
  if (in_commit != nullptr && in_commit->integer() != nullptr) {
    info.in_commit_ms = *in_commit->integer();
  }
  info.operation = text("operation");
  info.txn_id = text("txnId");
  info.engine = text("engineInfo");
  const JsonValue* blind = value.find("isBlindAppend");
  info.blind_append = blind != nullptr && blind->boolean() != nullptr && *blind->boolean();
  const JsonValue* parameters = value.find("operationParameters");
  if (parameters != nullptr && parameters->object() != nullptr) {
    for (const auto& [name, parameter] : *parameters->object()) {
      if (parameter.text() != nullptr) {
        info.parameters[name] = *parameter.text();
      } else if (parameter.integer() != nullptr) {
        info.parameters[name] = std::to_string(*parameter.integer());
      } else if (parameter.boolean() != nullptr) {
        info.parameters[name] = *parameter.boolean() ? "true" : "false";
      }
    }
  }
  entry.info = std::move(info);
}

void write_partition_values(JsonWriter& json,
                            const std::map<std::string, std::optional<std::string>>& values) {
  json.key("partitionValues");
  json.begin_object();
  for (const auto& [column, value] : values) {
    json.key(column);
    if (value) {
      json.string(*value);
    } else {
      json.null();
    }
  }
  json.end_object();
}

void write_text_map(JsonWriter& json,
                    std::string_view name,
                    const std::map<std::string, std::string>& map) {
  json.key(name);
  json.begin_object();
  for (const auto& [key, value] : map) {
    json.key(key);
    json.string(value);
  }
  json.end_object();
}

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name);
  json.begin_array();
  for (const std::string& text : texts) {
    json.string(text);
  }
  json.end_array();
}

void write_deletion_vector(JsonWriter& json, const std::optional<DeletionVector>& vector) {
  if (!vector) {
    return;
  }
  json.key("deletionVector");
  json.begin_object();
  json.key("storageType");
  json.string(vector->storage_type);
  json.key("pathOrInlineDv");
  json.string(vector->path_or_inline);
  if (vector->storage_type != "i") {
    json.key("offset");
    json.integer(vector->offset);
  }
  json.key("sizeInBytes");
  json.integer(vector->size_bytes);
  json.key("cardinality");
  json.integer(vector->cardinality);
  json.end_object();
}

/// One line {"<action>":{...}} around what `members` writes.
template <typename Members>
void append_line(std::string& out, std::string_view action, const Members& members) {
  JsonWriter json(out);
  json.begin_object();
  json.key(action);
  json.begin_object();
  members(json);
  json.end_object();
  json.end_object();
  out += '\n';
}

}  // namespace

Result<std::string> decode_data_path(const std::string& text) {
  ASSAY_ASSIGN_OR_RETURN(std::string path, decode_log_path(text));
  const std::size_t colon = text.find(':');
  if (path.starts_with('/') ||
      (colon != std::string::npos && text.find('/') > colon && colon > 1)) {
    return Status(Code::kUnimplemented,
                  "data file outside the table (a shallow clone?) is not supported: " + text);
  }
  const Status valid = store::validate_key(path);
  if (!valid.ok()) {
    return corrupt("bad path: " + valid.message());
  }
  return path;
}

int64_t rows_of_statistics(JsonReader& json, const std::string& stats) {
  // What nearly all writers begin with; then the rest need not be parsed.
  constexpr std::string_view kBegin = R"({"numRecords":)";
  if (stats.starts_with(kBegin)) {
    int64_t rows = 0;
    const char* end = stats.data() + stats.size();
    const auto parsed = std::from_chars(stats.data() + kBegin.size(), end, rows);
    if (parsed.ec == std::errc() && parsed.ptr != end &&
        (*parsed.ptr == ',' || *parsed.ptr == '}')) {
      return rows;
    }
  }
  const Result<JsonValue> value = json.read(stats);
  const JsonValue* rows = value.ok() ? value->find("numRecords") : nullptr;
  return rows == nullptr || rows->integer() == nullptr ? -1 : *rows->integer();
}

Status validate_deletion_vector(const DeletionVector& vector) {
  const bool known =
      vector.storage_type == "u" || vector.storage_type == "i" || vector.storage_type == "p";
  if (!known) {
    return {Code::kUnimplemented,
            "deletion vectors of storage type " + vector.storage_type + " are not supported"};
  }
  if (vector.offset < 0 || vector.size_bytes < 0 || vector.cardinality < 0) {
    return corrupt("deletionVector with a negative offset, size or cardinality");
  }
  return {};
}

Status parse_action(JsonReader& json, std::string_view line, LogEntry& entry) {
  ASSAY_ASSIGN_OR_RETURN(const JsonValue value, json.read(line));
  if (value.object() == nullptr || value.object()->empty()) {
    return corrupt("not an action: neither an object nor one with a member");
  }
  for (const auto& [name, action] : *value.object()) {
    if (action.is_null()) {
      continue;  // checkpoints have a null for each action that a row is not
    }
    Status status;
    if (name == "add") {
      status = parse_add(json, action, entry);
    } else if (name == "remove") {
      status = parse_remove(action, entry);
    } else if (name == "txn") {
      status = parse_txn(action, entry);
    } else if (name == "protocol") {
      status = parse_protocol(action, entry);
    } else if (name == "metaData") {
      status = parse_metadata(action, entry);
    } else if (name == "commitInfo") {
      parse_info(action, entry);
    } else if (name == "sidecar") {
      status = parse_sidecar(action, entry);
    } else if (name == "checkpointMetadata") {
      status = parse_checkpoint_metadata(action, entry);
    }
    ASSAY_RETURN_IF_ERROR(status);
  }
  return {};
}

Result<LogEntry> parse_log_entry(const std::string& name, std::string_view bytes) {
  JsonReader json;
  LogEntry entry;
  int64_t line_number = 0;
  bool any = false;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    ++line_number;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      continue;
    }
    any = true;
    const Status status = parse_action(json, line, entry);
    if (!status.ok()) {
      return status.with_context("log entry " + name + " line " + std::to_string(line_number));
    }
  }
  if (!any) {
    return corrupt("log entry " + name + " line 1: no action in it; was it cut short?");
  }
  return entry;
}

void append_action(std::string& out, const CommitInfoAction& info) {
  append_line(out, "commitInfo", [&](JsonWriter& json) {
    json.key("timestamp");
    json.integer(info.timestamp_ms);
    json.key("operation");
    json.string(info.operation);
    write_text_map(json, "operationParameters", info.parameters);
    json.key("isBlindAppend");
    json.boolean(info.blind_append);
    json.key("engineInfo");
    json.string(info.engine.empty() ? kEngine : info.engine);
    json.key("txnId");
    json.string(info.txn_id);
  });
}

void append_action(std::string& out, const ProtocolAction& protocol) {
  append_line(out, "protocol", [&](JsonWriter& json) {
    json.key("minReaderVersion");
    json.integer(protocol.reader_version);
    json.key("minWriterVersion");
    json.integer(protocol.writer_version);
  });
}

void append_action(std::string& out, const MetadataAction& metadata) {
  append_line(out, "metaData", [&](JsonWriter& json) {
    json.key("id");
    json.string(metadata.id);
    json.key("name");
    json.string(metadata.name);
    json.key("format");
    json.raw(R"({"provider":"parquet","options":{}})");
    json.key("schemaString");
    json.string(metadata.schema_string);
    write_texts(json, "partitionColumns", metadata.partition_columns);
    write_text_map(json, "configuration", metadata.configuration);
    json.key("createdTime");
    json.integer(metadata.created_ms);
  });
}

void append_action(std::string& out, const TxnAction& txn) {
  append_line(out, "txn", [&](JsonWriter& json) {
    json.key("appId");
    json.string(txn.app_id);
    json.key("version");
    json.integer(txn.version);
    if (txn.updated_ms != 0) {
      json.key("lastUpdated");
      json.integer(txn.updated_ms);
    }
  });
}

void append_action(std::string& out, const RemoveAction& remove) {
  append_line(out, "remove", [&](JsonWriter& json) {
    json.key("path");
    json.string(encode_log_path(remove.path));
    json.key("deletionTimestamp");
    json.integer(remove.deletion_ms);
    json.key("dataChange");
    json.boolean(remove.data_change);
    if (remove.size_bytes >= 0) {
      json.key("extendedFileMetadata");
      json.boolean(true);
      write_partition_values(json, remove.partition_values);
      json.key("size");
      json.integer(remove.size_bytes);
    }
    write_deletion_vector(json, remove.deletion_vector);
  });
}

void append_action(std::string& out, const AddAction& add) {
  append_line(out, "add", [&](JsonWriter& json) {
    json.key("path");
    json.string(encode_log_path(add.file.path));
    write_partition_values(json, add.file.partition_values);
    json.key("size");
    json.integer(add.file.size_bytes);
    json.key("modificationTime");
    json.integer(add.file.modification_ms);
    json.key("dataChange");
    json.boolean(add.data_change);
    if (!add.file.stats_json.empty()) {
      json.key("stats");
      json.string(add.file.stats_json);
    }
    if (!add.file.tags.empty()) {
      write_text_map(json, "tags", add.file.tags);
    }
    write_deletion_vector(json, add.file.deletion_vector);
  });
}

std::string log_file_name(Version version) {
  std::string digits = std::to_string(version);
  digits.insert(0, digits.size() < 20 ? 20 - digits.size() : 0, '0');
  return digits + ".json";
}

}  // namespace assay::lake
