#include "lake/commit_rules.h"

#include <algorithm>
#include <set>

#include "base/json_writer.h"
#include "lake/schema_json.h"
#include "lake/table_properties.h"

// One engine writes a table (docs/decisions/0036-one-writing-engine.md): the property assay.writer
// says which, and each of our commits carries its own version as the position of `assay/commits`.
// Where that is not the newest version, somebody else has written since.

namespace assay::lake {
namespace {

constexpr std::string_view kOurName = "assay";
constexpr std::string_view kAnyWriter = "any";

Status validate_writer(const std::string& key, const Snapshot& now, const CommitRequest& request) {
  const std::string property(kWriterProperty);
  if (request.properties.find(property) != request.properties.end()) {
    return {};  // whoever says who writes from now on has seen what stands there
  }
  const auto writer = now.configuration.find(property);
  if (writer == now.configuration.end() || writer->second == kAnyWriter) {
    return {};
  }
  if (writer->second != kOurName) {
    return {Code::kFailedPrecondition,
            "table " + key + " is written by " + writer->second + " (property assay.writer)"};
  }
  const std::optional<int64_t> ours = now.txn(std::string(kWriterAppId));
  if (ours == now.version) {
    return {};
  }
  return {Code::kFailedPrecondition,
          "another engine has written to table " + key + " after version " +
              std::to_string(ours.value_or(-1)) +
              ", which Assay wrote last; look with `assay lake " + "history " + key +
              "`, then take it over with `assay lake set " + key +
              " assay.writer=assay`, or let both write with assay.writer=any"};
}

Status validate_txns(const std::string& key, const Snapshot& now, const CommitRequest& request) {
  const auto text = [](std::optional<int64_t> value) {
    return value ? std::to_string(*value) : std::string("nothing");
  };
  for (const TxnUpdate& txn : request.txns) {
    const std::optional<int64_t> held = now.txn(txn.app_id);
    if (held != txn.expected) {
      return {Code::kAborted,
              "table " + key + " holds position " + text(held) + " of " + txn.app_id +
                  ", not the expected " + text(txn.expected)};
    }
  }
  return {};
}

Status validate_files(const std::string& key, const Snapshot& now, const CommitRequest& request) {
  for (const std::string& path : request.removes) {
    if (now.files.find(path) == now.files.end()) {
      return {Code::kAborted, "a file to remove is not in table " + key + " (any more): " + path};
    }
  }
  for (const DataFile& file : request.adds) {
    if (now.files.find(file.path) != now.files.end()) {
      return {Code::kInvalidArgument, "a file is in table " + key + " already: " + file.path};
    }
  }
  const auto append_only = now.configuration.find("delta.appendOnly");
  if (append_only != now.configuration.end() && append_only->second == "true" &&
      request.data_change && !request.removes.empty()) {
    return {Code::kFailedPrecondition, "table " + key + " takes appends only (delta.appendOnly)"};
  }
  return {};
}

/// What was read must still be what there is.
Status validate_reads(const std::string& key, const TableState& now, const CommitRequest& request) {
  if (request.read_version && now.rows_changed_version > *request.read_version) {
    return {Code::kAborted,
            "table " + key + " got other rows in version " +
                std::to_string(now.rows_changed_version) + ", after version " +
                std::to_string(*request.read_version) + " was read"};
  }
  if (request.replaces.empty()) {
    return {};
  }
  const std::set<std::string> removed(request.removes.begin(), request.removes.end());
  for (const auto& [path, file] : now.snapshot.files) {
    const bool replaced =
        std::find(request.replaces.begin(), request.replaces.end(), file.partition_values) !=
        request.replaces.end();
    if (replaced && removed.find(path) == removed.end()) {
      return {Code::kAborted,
              "a partition that is replaced got a file in table " + key + ": " + path};
    }
  }
  return {};
}

Status validate_schema(const std::string& key,
                       const Snapshot& now,
                       const CommitRequest& request,
                       bool raced) {
  const Status extends = validate_extends(*now.schema, *request.schema);
  if (!extends.ok()) {
    return Status(raced ? Code::kAborted : extends.code(), extends.message())
        .with_context("table " + key);
  }
  return validate_table_schema(*request.schema, now.partition_columns);
}

std::optional<MetadataAction> metadata_of(const TableState& now, const CommitRequest& request) {
  MetadataAction metadata = now.metadata;
  bool changed = false;
  if (request.schema != nullptr && *request.schema != *now.snapshot.schema) {
    metadata.schema_string = schema_to_json(*request.schema);
    changed = true;
  }
  for (const auto& [name, value] : request.properties) {
    const auto held = metadata.configuration.find(name);
    const bool same = held == metadata.configuration.end() ? !value : value == held->second;
    changed |= !same;
    if (value) {
      metadata.configuration[name] = *value;
    } else {
      metadata.configuration.erase(name);
    }
  }
  return changed ? std::optional(metadata) : std::nullopt;
}

}  // namespace

Status validate_request(const std::string& key,
                        const TableState& now,
                        const CommitRequest& request,
                        bool raced) {
  ASSAY_RETURN_IF_ERROR(validate_writer(key, now.snapshot, request));
  ASSAY_RETURN_IF_ERROR(validate_txns(key, now.snapshot, request));
  ASSAY_RETURN_IF_ERROR(validate_files(key, now.snapshot, request));
  ASSAY_RETURN_IF_ERROR(validate_reads(key, now, request));
  for (const auto& [name, value] : request.properties) {
    if (value) {
      ASSAY_RETURN_IF_ERROR(validate_property(name, *value).with_context("table " + key));
    }
  }
  return request.schema == nullptr ? Status() : validate_schema(key, now.snapshot, request, raced);
}

LogEntry entry_of(World& world,
                  const TableState& now,
                  const CommitRequest& request,
                  const std::string& txn_id) {
  const int64_t now_ms = world.clock.now().micros / 1'000;
  LogEntry entry;
  entry.metadata = metadata_of(now, request);
  entry.info = CommitInfoAction{now_ms,
                                request.operation,
                                request.parameters,
                                request.removes.empty() && !request.read_version &&
                                    request.schema == nullptr && request.properties.empty(),
                                txn_id,
                                {}};
  for (const TxnUpdate& txn : request.txns) {
    entry.txns.push_back({txn.app_id, txn.version, now_ms});
  }
  entry.txns.push_back({std::string(kWriterAppId), now.snapshot.version + 1, now_ms});
  for (const std::string& path : request.removes) {
    const DataFile& file = now.snapshot.files.at(path);
    entry.removes.push_back(
        {path, now_ms, request.data_change, file.partition_values, file.size_bytes});
  }
  for (const DataFile& file : request.adds) {
    entry.adds.push_back({file, request.data_change});
  }
  return entry;
}

LogEntry creation_entry(World& world, const TableSpec& spec) {
  LogEntry entry;
  entry.info = CommitInfoAction{world.clock.now().micros / 1'000,
                                "CREATE TABLE",
                                {{"partitionBy", json_list(spec.partition_columns)}},
                                false,
                                world.random.uuid(),
                                {}};
  entry.protocol = ProtocolAction{};
  std::map<std::string, std::string> configuration = spec.properties;
  configuration.try_emplace(std::string(kWriterProperty), kOurName);
  entry.metadata = MetadataAction{world.random.uuid(),
                                  spec.name,
                                  schema_to_json(*spec.schema),
                                  spec.partition_columns,
                                  std::move(configuration),
                                  entry.info->timestamp_ms};
  entry.txns.push_back({std::string(kWriterAppId), 0, entry.info->timestamp_ms});
  return entry;
}

std::string entry_bytes(const LogEntry& entry) {
  std::string bytes;
  append_action(bytes, *entry.info);
  if (entry.protocol) {
    append_action(bytes, *entry.protocol);
  }
  if (entry.metadata) {
    append_action(bytes, *entry.metadata);
  }
  for (const TxnAction& txn : entry.txns) {
    append_action(bytes, txn);
  }
  for (const RemoveAction& remove : entry.removes) {
    append_action(bytes, remove);
  }
  for (const AddAction& add : entry.adds) {
    append_action(bytes, add);
  }
  return bytes;
}

std::string json_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    out += out.size() > 1 ? "," : "";
    append_json_string(out, text);
  }
  return out + "]";
}

}  // namespace assay::lake
