#include "flow/reject_gauge.h"

#include <utility>

namespace assay::flow {
namespace {

/// Fewer records say nothing about their form.
constexpr int64_t kJudgedRecordsMin = 1'000;
/// From so many on, earlier ones count for less and less.
constexpr int64_t kJudgedRecordsMax = 10'000;

}  // namespace

RejectGauge::RejectGauge(std::string source, std::string table, double limit)
    : source_(std::move(source)), table_(std::move(table)), limit_(limit) {}

Status RejectGauge::add(int64_t records, int64_t rejects, Log& log) {
  records_ += records;
  rejects_ += rejects;
  if (records_ > kJudgedRecordsMax) {
    records_ /= 2;
    rejects_ /= 2;
  }
  if (records_ < kJudgedRecordsMin ||
      static_cast<double>(rejects_) <= limit_ * static_cast<double>(records_)) {
    return {};
  }
  log.error("records_have_another_form",
            {{"source", source_},
             {"table", "bronze." + table_},
             {"records", records_},
             {"rejected", rejects_}});
  return {Code::kFailedPrecondition,
          "source `" + source_ + "`: " + std::to_string(rejects_) + " of the last " +
              std::to_string(records_) + " records cannot be read as bronze." + table_ +
              " is defined: their form has changed. Those not committed yet stay in the source; "
              "correct the definition and start again, or raise `rejects_max` to let them go to "
              "quarantine"};
}

}  // namespace assay::flow
