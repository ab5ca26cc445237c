#include "flow/lag_metrics.h"

#include <algorithm>

namespace assay::flow {
namespace {

/// Not below zero: a producer's clock may be ahead, and this machine's put back.
double seconds_since(World& world, EventTime time) {
  return static_cast<double>(std::max<int64_t>(0, world.clock.now().micros - time.micros)) / 1e6;
}

}  // namespace

void note_lag(World& world,
              const std::string& table,
              int64_t records,
              const std::vector<ingest::KafkaSource::PartLag>& parts) {
  world.metrics
      .gauge("assay_flow_source_lag_records",
             "Records of the source that were not taken yet",
             {{"name", table}})
      .set(static_cast<double>(records));
  for (const ingest::KafkaSource::PartLag& lag : parts) {
    const MetricLabels labels = {{"name", table}, {"partition", lag.name}};
    const bool is_behind = lag.records > 0 && lag.sent.has_value();
    const double behind = is_behind ? seconds_since(world, *lag.sent) : 0;
    world.metrics
        .gauge("assay_flow_partition_lag_records",
               "Records of the partition that were not taken yet",
               labels)
        .set(static_cast<double>(lag.records));
    world.metrics
        .gauge("assay_flow_partition_lag_seconds",
               "Age of the last record taken of a partition that has more; 0 when it has none",
               labels)
        .set(behind);
  }
}

void note_commit(World& world, Duration began, Duration before) {
  const int64_t now = world.clock.monotonic().micros;
  world.metrics
      .histogram("assay_flow_commit_seconds",
                 "Time that bringing lake and views up to what was read took")
      .observe(static_cast<double>(now - began.micros) / 1e6);
  world.metrics
      .gauge("assay_flow_epoch_seconds", "Time between the last two commits of what was read")
      .set(static_cast<double>(now - before.micros) / 1e6);
}

void note_readable(World& world, const std::string& table, EventTime received) {
  world.metrics
      .histogram("assay_flow_readable_after_seconds",
                 "Time from the reading of a flush's first record until all of it was readable",
                 {{"name", table}})
      .observe(seconds_since(world, received));
}

void count_failure(World& world, const char* of) {
  world.metrics
      .counter("assay_flow_failures_total",
               "Failures of reading and committing, or of stages, after which it is tried again",
               {{"of", of}})
      .add();
}

void BrokersAway::note(const std::string& table, const Status& answer) {
  world_.metrics
      .gauge("assay_flow_source_away", "1 while no broker of the source answers", {{"name", table}})
      .set(answer.ok() ? 0 : 1);
  if (answer.ok() && tables_.erase(table) > 0) {
    world_.log.info("kafka_brokers_are_back", {{"table", "bronze." + table}});
  } else if (!answer.ok() && tables_.insert(table).second) {
    world_.log.error("kafka_brokers_are_away",
                     {{"table", "bronze." + table}, {"why", answer.to_string()}});
  }
}

}  // namespace assay::flow
