#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/world.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// Tell in the metrics what a table's source still has, in all and by partition.
void note_lag(World& world,
              const std::string& table,
              int64_t records,
              const std::vector<ingest::KafkaSource::PartLag>& parts);

}  // namespace assay::flow
