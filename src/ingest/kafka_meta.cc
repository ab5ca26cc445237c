#include "ingest/kafka_meta.h"

#include <optional>

#include "base/json_writer.h"
#include "catalog/definitions.h"
#include "data/wire_schema.h"

namespace assay::ingest {
namespace {

std::string headers_json(const KafkaMessage& message) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const auto& [name, value] : message.headers) {
    json.key(std::string(name));
    json.string(std::string(value));
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
