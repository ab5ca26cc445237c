#include "flow/clock_watch.h"

#include <cstdlib>
#include <utility>

#include "bronze/contract.h"

namespace assay::flow {
namespace {

/// Smaller steps are those by which clocks are kept right.
constexpr int64_t kStepMin = 60 * kMicrosPerSecond;

}  // namespace

ClockWatch::ClockWatch(World& world, std::string table)
    : world_(world),
      table_(std::move(table)),
      jumps_(world.metrics.counter("assay_flow_clock_jumps_total",
                                   "How often the machine's clock was set by more than a minute "
                                   "while records were read",
                                   {{"name", table_}})) {}

void ClockWatch::look() {
  const EventTime now = world_.clock.now();
  const bool stands = now == std::exchange(now_, now);  // as under ASSAY_NOW
  const int64_t ahead = now.micros - world_.clock.monotonic().micros;
  const int64_t step = ahead - std::exchange(ahead_, ahead).value_or(ahead);
  if (stands || std::abs(step) < kStepMin) {
    return;
  }
  jumps_.add(1);
  world_.log.error(
      "clock_was_set",
      {{"table", "bronze." + table_},
       {"seconds", step / kMicrosPerSecond},
       {"now", format_time(now)},
       {"help",
        "times of reading are this clock's: known times `received`, and what is refused "
        "as of the future; a machine that slept has set it rightly"}});
}

Status tell_of_rows_not_known_yet(Workspace& workspace,
                                  const catalog::BronzeDef& bronze,
                                  const std::string& key) {
  using Kind = catalog::KnownTimeDef::Kind;
  if (bronze.known_time.kind != Kind::kReceived && bronze.known_time.kind != Kind::kColumn) {
    return {};  // its definition says how far ahead it is
  }
  const EventTime latest{workspace.world().clock.now().micros + bronze.future_max.micros};
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch found,
      workspace.read_table(key,
                           "count(*) AS n, max(known_time) AS until",
                           "known_time > TIMESTAMPTZ '" + format_time(latest) + "'",
                           ""));
  const int64_t rows = found.column(0).values<int64_t>()[0];
  if (rows > 0) {
    workspace.world().log.error(
        "rows_are_not_known_yet",
        {{"table", "bronze." + bronze.name},
         {"rows", rows},
         {"until", format_time({found.column(1).values<int64_t>()[0]})},
         {"help",
          "no answer has them before; the clock that says their known times was ahead, or this "
          "machine's is behind"}});
  }
  return {};
}

}  // namespace assay::flow
