#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
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

/// Tells, in metric and log, whose brokers answer and whose do not.
class BrokersAway {
 public:
  explicit BrokersAway(World& world) : world_(world) {}
  /// `answer`: to the last question, of a table's source.
  void note(const std::string& table, const Status& answer);

 private:
  World& world_;
  std::set<std::string> tables_;  // whose brokers did not answer
};

}  // namespace assay::flow
