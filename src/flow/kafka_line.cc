#include "flow/kafka_line.h"

#include <algorithm>

#include "bronze/contract.h"

namespace assay::flow {
namespace {

/// Fewer records say nothing about their form.
constexpr int64_t kJudgedRecordsMin = 1'000;
/// From so many on, earlier ones count for less and less.
constexpr int64_t kJudgedRecordsMax = 10'000;

bool keeps_meta(const catalog::BronzeDef& bronze) {
  return std::any_of(
      bronze.columns.begin(), bronze.columns.end(), [](const catalog::ColumnDef& column) {
        return std::count(
                   catalog::kKafkaColumns.begin(), catalog::kKafkaColumns.end(), column.name) != 0;
      });
}

}  // namespace

Result<std::unique_ptr<KafkaLine>> KafkaLine::open(Workspace& workspace,
                                                   const std::string& bronze,
                                                   const RunOptions& options) {
  std::unique_ptr<KafkaLine> line(new KafkaLine(workspace));
  ASSAY_ASSIGN_OR_RETURN(line->writer_, BronzeWriter::open(workspace, bronze, options));
  const catalog::BronzeDef& definition = line->writer_->definition();
  ASSAY_ASSIGN_OR_RETURN(
      line->source_,
      ingest::KafkaSource::open(workspace.world(),
                                workspace.project().sources.at(definition.source),
                                line->ledger_,
                                {.keep_meta = keeps_meta(definition)}));
  ASSAY_RETURN_IF_ERROR(line->source_->discover().status());
  ASSAY_RETURN_IF_ERROR(line->seek());
  return line;
}

Status KafkaLine::seek() {
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions done,
                         writer_->part_positions(static_cast<int64_t>(known.size())));
  return source_->seek(done);
}

Status KafkaLine::look_for_partitions() {
  ASSAY_ASSIGN_OR_RETURN(const int64_t found, source_->discover());
  if (found == 0) {
    return {};
  }
  workspace_.world().log.info("kafka_partitions_found",
                              {{"source", writer_->definition().source}, {"count", found}});
  return seek();
}

Result<std::optional<data::Batch>> KafkaLine::take(int64_t records_max, Duration wait) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<ingest::RecordBatch> records,
                         source_->next(records_max, wait));
  if (!records.has_value()) {
    return std::optional<data::Batch>();
  }
  oldest_received_ = oldest_received_.value_or(records->received);
  const data::Account before = writer_->pending();
  ASSAY_ASSIGN_OR_RETURN(data::Batch rows, writer_->take(*records));
  ASSAY_RETURN_IF_ERROR(check_rejects(before));
  note_times(rows);
  return std::optional<data::Batch>(std::move(rows));
}

Status KafkaLine::check_rejects(const data::Account& before) {
  const catalog::BronzeDef& definition = writer_->definition();
  recent_records_ += writer_->pending().in - before.in;
  recent_rejects_ += writer_->pending().quarantined - before.quarantined;
  if (recent_records_ > kJudgedRecordsMax) {
    recent_records_ /= 2;
    recent_rejects_ /= 2;
  }
  const double limit = workspace_.project().sources.at(definition.source).kafka->rejects_max;
  if (recent_records_ < kJudgedRecordsMin ||
      static_cast<double>(recent_rejects_) <= limit * static_cast<double>(recent_records_)) {
    return {};
  }
  workspace_.world().log.error("kafka_records_have_another_form",
                               {{"source", definition.source},
                                {"table", "bronze." + name()},
                                {"records", recent_records_},
                                {"rejected", recent_rejects_}});
  return {Code::kFailedPrecondition,
          "source `" + definition.source + "`: " + std::to_string(recent_rejects_) +
              " of the last " + std::to_string(recent_records_) +
              " records cannot be read as bronze." + name() +
              " is defined: their form has changed. Those not committed yet stay in the topic; "
              "correct the definition and start again, or raise `rejects_max` to let them go to "
              "quarantine"};
}

void KafkaLine::note_times(const data::Batch& rows) {
  const auto sequences = rows.find(bronze::kSequence)->values<int64_t>();
  // Of a table of changes lateness goes by known time: an old event may be corrected any time.
  const bool of_changes = writer_->definition().of_changes;
  const auto times =
      rows.find(of_changes ? bronze::kKnownTime : bronze::kEventTime)->values<int64_t>();
  for (std::size_t row = 0; row < times.size(); ++row) {
    const auto [entry, is_new] =
        newest_.try_emplace(ingest::Position{sequences[row]}.file_ordinal(), EventTime{times[row]});
    entry->second = std::max(entry->second, EventTime{times[row]});
  }
}

/// The newest event time of the part that is furthest behind. A part that was read to its end holds
/// nothing up; one that was not and has given nothing yet holds up everything.
std::optional<EventTime> KafkaLine::low_time() const {
  std::optional<EventTime> low;
  std::optional<EventTime> newest;
  for (const auto& [ordinal, position] : source_->positions()) {
    const auto found = newest_.find(ordinal);
    const bool is_behind = !source_->part_at_end(ordinal);
    if (found == newest_.end()) {
      if (is_behind) {
        return std::nullopt;
      }
      continue;
    }
    newest = std::max(newest.value_or(EventTime::min()), found->second);
    if (is_behind) {
      low = std::min(low.value_or(EventTime::max()), found->second);
    }
  }
  return low.has_value() ? low : newest;
}

Status KafkaLine::commit(StageAccount* total) {
  if (writer_->pending().in == 0) {
    return {};
  }
  return writer_->commit({0, source_->positions(), low_time()}, total);
}

}  // namespace assay::flow
