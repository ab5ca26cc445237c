#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/world.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// Tell in the metrics what a table's source still has, in all and by partition.
void note_lag(World& world,
              const std::string& table,
              int64_t records,
              const std::vector<ingest::KafkaSource::PartLag>& parts);

/// Tell how long a commit of what was read took, and how long it was since the one before.
void note_commit(World& world, Duration began, Duration before);

/// Tell how long the first record of a commit waited until all of it was in the lake.
void note_readable(World& world, const std::string& table, EventTime received);

/// Count that a line, or the stages behind the tables of processes that share topics, failed and is
/// tried again.
void count_failure(World& world, const char* of);

}  // namespace assay::flow
