#include "ingest/kafka_meta.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "catalog/definitions.h"
#include "data/json_text.h"
#include "data/utf8.h"
#include "data/wire_schema.h"

namespace assay::ingest {
namespace {

void write_header(std::string_view value, JsonWriter& json) {
  if (value.data() == nullptr) {
    json.null();
  } else if (data::is_utf8(value)) {
    json.string(value);
  } else {
    json.begin_object();
    json.key("base64");
    json.string(data::to_base64(value));
    json.end_object();
  }
}

/// Headers by name, in the order in which names first came; one that came several times has all of
/// its values.
std::string headers_json(const KafkaMessage& message) {
  std::vector<std::pair<std::string, std::vector<std::string_view>>> headers;
  std::map<std::string, std::size_t> places;
  for (const auto& [name, value] : message.headers) {
    const std::string said =
        data::is_utf8(name) ? std::string(name) : "base64:" + data::to_base64(name);
    const auto [place, is_new] = places.try_emplace(said, headers.size());
    if (is_new) {
      headers.emplace_back(said, std::vector<std::string_view>());
    }
    headers[place->second].second.push_back(value);
  }
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const auto& [name, values] : headers) {
    json.key(name);
    if (values.size() == 1) {
      write_header(values.front(), json);
      continue;
    }
    json.begin_array();
    for (const std::string_view value : values) {
      write_header(value, json);
    }
    json.end_array();
  }
  json.end_object();
  return text;
}

/// The key as text: of one in wire format the JSON that it stands for.
std::string key_text(std::string_view key, const WireSchemas& schemas) {
  const std::optional<data::WireRecord> record = data::split_wire_record(key);
  const auto found = record ? schemas.find(record->schema) : schemas.end();
  std::string json;
  const bool is_read = found != schemas.end() && found->second != nullptr &&
                       found->second->append_json(record->payload, &json);
  return is_read ? json : std::string(key);
}

constexpr int kKeyBytes = catalog::kHeaders + 1;  // kRawKey

}  // namespace

void append_kafka_meta(const KafkaMessage& message,
                       const TopicPartition& from,
                       const WireSchemas& key_schemas,
                       data::BatchBuilder* to) {
  data::BatchBuilder& meta = *to;
  const std::string key = key_text(message.key, key_schemas);
  if (message.has_key) {
    meta.column(catalog::kKey).append_text(key);
  } else {
    meta.column(catalog::kKey).append_null();
  }
  if (message.has_key && key != message.key) {
    meta.column(kKeyBytes).append_text(message.key);
  } else {
    meta.column(kKeyBytes).append_null();
  }
  meta.column(catalog::kTopic).append_text(from.topic);
  meta.column(catalog::kPartition).append(int64_t{from.partition});
  meta.column(catalog::kOffset).append(message.offset);
  if (message.timestamp_ms >= 0) {
    meta.column(catalog::kTimestamp).append(message.timestamp_ms * 1'000);
  } else {
    meta.column(catalog::kTimestamp).append_null();
  }
  if (message.headers.empty()) {
    meta.column(catalog::kHeaders).append_null();
  } else {
    meta.column(catalog::kHeaders).append_text(headers_json(message));
  }
}

data::SchemaPtr kafka_meta_schema() {
  using data::Type;
  return data::make_schema(
      {{std::string(catalog::kKafkaColumns[catalog::kKey]), Type::kString, true},
       {std::string(catalog::kKafkaColumns[catalog::kTopic]), Type::kString, true},
       {std::string(catalog::kKafkaColumns[catalog::kPartition]), Type::kInt64, true},
       {std::string(catalog::kKafkaColumns[catalog::kOffset]), Type::kInt64, true},
       {std::string(catalog::kKafkaColumns[catalog::kTimestamp]), Type::kTimestamp, true},
       {std::string(catalog::kKafkaColumns[catalog::kHeaders]), Type::kString, true},
       {kRawKey, Type::kBytes, true}});
}

}  // namespace assay::ingest
