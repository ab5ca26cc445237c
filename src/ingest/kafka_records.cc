#include "ingest/kafka_records.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "ingest/kafka_meta.h"

namespace assay::ingest {

void add_kafka_records(const catalog::SourceDef& definition,
                       bool keeps_meta,
                       const KafkaRecords& records,
                       RecordBatch* batch) {
  const auto record_bytes_max = static_cast<std::size_t>(definition.record_bytes_max);
  std::size_t bytes = 0;
  for (const KafkaMessage& message : records.messages) {
    bytes += std::min(message.value.size(), record_bytes_max);
  }
  const std::size_t count = records.order.size();
  auto text = std::make_shared<std::string>();
  text->reserve(bytes + count);  // views into it stay good
  batch->records.reserve(count);
  batch->lines.reserve(count);
  batch->oversized.reserve(count);
  batch->null_values.reserve(count);
  batch->positions.reserve(count);
  batch->part_of.reserve(count);
  for (const TopicPartition& partition : records.partitions) {
    batch->parts.push_back(partition.name());
  }
  data::BatchBuilder meta(kafka_meta_schema());
  const bool keys_have_schemas =
      definition.registry.has_value() && definition.registry->keys_have_schemas;
  const WireSchemas key_schemas = keys_have_schemas ? batch->schemas : WireSchemas();
  bool is_any_oversized = false;
  bool is_any_null = false;
  for (const auto& [position, index] : records.order) {
    const KafkaMessage& message = records.messages[index];
    const bool is_oversized = message.value.size() > record_bytes_max;
    const std::string_view value = message.value.substr(0, record_bytes_max);
    const std::size_t begin = text->size();
    text->append(value);
    text->push_back('\n');  // as lines of a file they are decoded where they lie
    batch->records.push_back(std::string_view(*text).substr(begin, value.size()));
    batch->lines.push_back(message.offset);
    batch->oversized.push_back(is_oversized);
    batch->null_values.push_back(!message.has_value);
    batch->positions.push_back(position);
    batch->part_of.push_back(static_cast<uint32_t>(message.partition));
    is_any_oversized = is_any_oversized || is_oversized;
    is_any_null = is_any_null || !message.has_value;
    if (keeps_meta) {
      append_kafka_meta(message, records.partitions[message.partition], key_schemas, &meta);
    }
  }
  if (!is_any_oversized) {
    batch->oversized.clear();
  }
  if (!is_any_null) {
    batch->null_values.clear();
  }
  if (!records.order.empty()) {
    batch->first = {records.order.front().first};
    batch->end = {records.order.back().first + 1};
  }
  batch->memory = std::move(text);
  batch->meta = meta.finish();
}

}  // namespace assay::ingest
