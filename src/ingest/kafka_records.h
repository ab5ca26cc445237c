#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "catalog/definitions.h"
#include "ingest/kafka_client.h"
#include "ingest/record.h"

namespace assay::ingest {

/// Messages that are to be one batch.
struct KafkaRecords {
  const std::vector<KafkaMessage>& messages;
  std::vector<std::pair<int64_t, std::size_t>> order;  // position and index of each, by position
  std::vector<TopicPartition> partitions;              // by the messages' index
};

/// Put them into a batch whose `schemas` are there: values, in one piece of memory, positions, and
/// with `keeps_meta` what stands beside them.
void add_kafka_records(const catalog::SourceDef& definition,
                       bool keeps_meta,
                       const KafkaRecords& records,
                       RecordBatch* batch);

}  // namespace assay::ingest
