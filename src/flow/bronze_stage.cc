#include "flow/bronze_stage.h"

#include "flow/bronze_writer.h"
#include "flow/direct_line.h"
#include "flow/kafka_line.h"
#include "flow/reject_gauge.h"
#include "flow/source_ledger.h"
#include "flow/unseen_columns.h"
#include "ingest/file_source.h"

namespace assay::flow {
namespace {

/// A commit was made.
void tell(const std::string& name, const RunOptions& options, const StageAccount& total) {
  options.say("bronze " + name + ": " + std::to_string(total.rows.in) + " rows");
  if (options.committed) {
    options.committed();
  }
}

Status run_files(Workspace& workspace,
                 BronzeWriter& writer,
                 const RunOptions& options,
                 StageAccount* total) {
  const catalog::SourceDef& definition = workspace.project().sources.at(writer.definition().source);
  RejectGauge gauge(definition.name, writer.name(), definition.rejects_max);
  SourceLedger ledger(workspace.catalog());
  ASSAY_ASSIGN_OR_RETURN(
      const std::unique_ptr<ingest::FileSource> source,
      ingest::FileSource::open(workspace.world(),
                               workspace.project().sources.at(writer.definition().source),
                               workspace.project().folder,
                               ledger));
  ASSAY_RETURN_IF_ERROR(source->discover().status());
  ASSAY_ASSIGN_OR_RETURN(const int64_t position, writer.position());
  ASSAY_RETURN_IF_ERROR(source->seek({position}));

  UnseenColumns unseen(writer.definition());
  Status ended;
  bool more = true;
  while (more) {
    while (!options.is_epoch(writer.pending().in, writer.pending_bytes())) {
      Result<std::optional<ingest::RecordBatch>> records = source->next(
          options.epoch_rows - writer.pending().in, static_cast<std::size_t>(options.batch_bytes));
      if (!records.ok() || !records->has_value()) {
        // At damage, what came before it is still committed; then the failure is told.
        ended = records.ok() ? Status() : records.status();
        more = false;
        break;
      }
      const data::Account before = writer.pending();
      ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, writer.take(**records));
      unseen.note(**records, rows);
      ASSAY_RETURN_IF_ERROR(gauge.add(writer.pending().in - before.in,
                                      writer.pending().quarantined - before.quarantined,
                                      workspace.world().log));
    }
    if (writer.pending().in > 0) {
      ASSAY_RETURN_IF_ERROR(
          writer.commit({.position = source->position().value, .parts = {}}, total));
      tell(writer.name(), options, *total);
    }
    if (more && options.stopping()) {
      return {Code::kCancelled,
              "stopped after " + std::to_string(total->rows.in) +
                  " rows; `assay run` goes on from there"};
    }
  }
  if (!options.is_live) {  // which looks at its files again and again
    unseen.warn(workspace.world().log);
  }
  return ended;
}

/// Kafka: up to the ends that the partitions had at the start.
Status run_partitions(Workspace& workspace,
                      const std::string& name,
                      const RunOptions& options,
                      StageAccount* total) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaLine> line,
                         KafkaLine::open(workspace, name, options));
  ASSAY_RETURN_IF_ERROR(line->recover(total));
  ASSAY_RETURN_IF_ERROR(line->note_pause());
  if (!workspace.project().has_lake) {
    ASSAY_RETURN_IF_ERROR(move_positions(workspace, name, options));
    ASSAY_RETURN_IF_ERROR(line->begin_epoch());  // rows reach the views as they are read
  }
  const auto commit = [&]() -> Status {
    ASSAY_RETURN_IF_ERROR(line->commit(total));
    for (StageAccount& did : line->take_fast_accounts()) {
      if (options.also_did) {
        options.also_did(std::move(did));
      }
    }
    return {};
  };
  constexpr Duration kWait{100'000};
  constexpr int64_t kRecordsMax = 20'000;  // taken at once
  while (!line->has_read_backlog()) {
    ASSAY_RETURN_IF_ERROR(line->take(std::min(options.epoch_rows, kRecordsMax), kWait).status());
    if (options.is_epoch(line->pending_records(), line->pending_bytes())) {
      ASSAY_RETURN_IF_ERROR(commit());
      tell(name, options, *total);
    }
    if (options.stopping()) {
      ASSAY_RETURN_IF_ERROR(commit());
      return {Code::kCancelled,
              "stopped after " + std::to_string(total->rows.in) +
                  " rows; `assay run` goes on from there"};
    }
  }
  ASSAY_RETURN_IF_ERROR(commit());
  return total->rows.in > 0 ? line->finish() : Status();
}

}  // namespace

Result<StageAccount> run_bronze_stage(Workspace& workspace,
                                      const std::string& name,
                                      const RunOptions& options) {
  const Duration started = workspace.world().clock.monotonic();
  StageAccount total;
  total.stage = "bronze";
  total.name = name;
  if (workspace.reads_parts(name)) {
    ASSAY_RETURN_IF_ERROR(run_partitions(workspace, name, options, &total));
  } else {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<BronzeWriter> writer,
                           BronzeWriter::open(workspace, name, options));
    ASSAY_RETURN_IF_ERROR(run_files(workspace, *writer, options, &total));
    if (total.rows.in > 0) {
      ASSAY_RETURN_IF_ERROR(writer->finish());
    }
  }
  total.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return total;
}

}  // namespace assay::flow
