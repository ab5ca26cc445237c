#include "flow/lag_metrics.h"

namespace assay::flow {

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
    const int64_t behind = is_behind ? world.clock.now().micros - lag.sent->micros : 0;
    world.metrics
        .gauge("assay_flow_partition_lag_records",
               "Records of the partition that were not taken yet",
               labels)
        .set(static_cast<double>(lag.records));
    world.metrics
        .gauge("assay_flow_partition_lag_seconds",
               "Age of the last record taken of a partition that has more; 0 when it has none",
               labels)
        .set(static_cast<double>(behind) / 1e6);
  }
}

}  // namespace assay::flow
