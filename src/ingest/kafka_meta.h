#pragma once

#include "data/batch.h"
#include "ingest/kafka_client.h"
#include "ingest/record.h"
#include "ingest/schema_registry.h"

namespace assay::ingest {

/// Columns of RecordBatch::meta: catalog::kKafkaColumns, and kRawKey.
data::SchemaPtr kafka_meta_schema();

/// Add what came beside a record's value. A key in wire format is the JSON that it stands for,
/// where `key_schemas` have its schema.
void append_kafka_meta(const KafkaMessage& message,
                       const TopicPartition& from,
                       const WireSchemas& key_schemas,
                       data::BatchBuilder* to);

}  // namespace assay::ingest
