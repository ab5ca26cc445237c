#include "flow/lag_metrics.h"

#include <algorithm>

#include "flow/source_ledger.h"
#include "ingest/kafka_source.h"

namespace assay::flow {
namespace {

/// Not below zero: a producer's clock may be ahead, and this machine's put back.
double seconds_since(World& world, EventTime time) {
  return static_cast<double>(std::max<int64_t>(0, world.clock.now().micros - time.micros)) / 1e6;
}

}  // namespace

void note_commit(World& world, Duration began, std::optional<EventTime> first_received) {
  const int64_t now = world.clock.monotonic().micros;
  world.metrics
      .histogram("assay_flow_commit_seconds",
                 "Time that bringing lake and views up to what was read took")
      .observe(static_cast<double>(now - began.micros) / 1e6);
  if (first_received.has_value()) {
    world.metrics
        .histogram("assay_flow_epoch_seconds",
                   "Time from the reading of an epoch's first record until all of it was committed")
        .observe(seconds_since(world, *first_received));
  }
}

void note_part_times(World& world,
                     const std::string& table,
                     const silver::PartTimes& times,
                     const std::map<int64_t, std::string>& names) {
  const auto tell =
      [&](const char* name, const char* help, EventTime time, const MetricLabels& labels) {
        world.metrics.gauge(name, help, labels).set(static_cast<double>(time.micros) / 1e6);
      };
  for (const auto& [ordinal, part] : times.parts) {
    const auto name = names.find(ordinal);
    if (part.newest.has_value() && name != names.end()) {
      tell("assay_flow_partition_time_seconds",
           "Largest event time of the partition's rows, in seconds since 1970",
           *part.newest,
           {{"name", table}, {"partition", name->second}});
    }
  }
  if (times.low.has_value()) {
    tell("assay_flow_low_time_seconds",
         "Time of the slowest partition that is waited for: a row is late that is older by more "
         "than the allowed lateness; in seconds since 1970",
         *times.low,
         {{"name", table}});
  }
}

void tell_part_times(Workspace& workspace,
                       const std::string& table,
                       const silver::PartTimes& times) {
  const catalog::Project& project = workspace.project();
  const std::string& source = project.bronze.at(project.silver.at(table).from).source;
  std::map<int64_t, std::string> names;
  const Result<std::vector<ingest::SourceFile>> parts =
      SourceLedger(workspace.catalog()).known(ingest::kafka_ledger_name(source));
  if (!parts.ok()) {
    return;  // a gauge ends no run: the next commit tells
  }
  for (const ingest::SourceFile& part : *parts) {
    names[part.ordinal] = part.path;
  }
  note_part_times(workspace.world(), table, times, names);
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

}  // namespace assay::flow
