#include "flow/bronze_stage.h"

#include <algorithm>

#include "base/fail_point.h"
#include "base/suggest.h"
#include "bronze/bronze_operator.h"
#include "flow/side_table.h"
#include "flow/source_ledger.h"
#include "ingest/file_source.h"
#include "privacy/key.h"
#include "quality/quarantine.h"

namespace assay::flow {
namespace {

/// Loaded duplicates beyond this are forgotten after a commit; the table still has them.
constexpr std::size_t kDedupBytesMax = std::size_t{512} << 20;

/// Everything open that one bronze table needs.
struct BronzeRun {
  std::string name;
  std::string app_id;
  std::unique_ptr<bronze::BronzeOperator> operation;
  std::unique_ptr<SourceLedger> ledger;
  std::unique_ptr<ingest::FileSource> source;
  lake::DeltaTable* table = nullptr;
  std::unique_ptr<SideTable> quarantine;
  bronze::BronzeState state;
};

/// Rows of one epoch, not yet committed.
struct Epoch {
  std::vector<data::Batch> rows;
  std::vector<data::Batch> quarantine;
  data::Account account;
  ingest::Position begin;
  ingest::Position end;
};

Result<std::unique_ptr<bronze::BronzeOperator>> make_operator(Workspace& workspace,
                                                              const catalog::BronzeDef& definition,
                                                              const RunOptions& options) {
  bronze::BronzeOptions bronze_options;
  bronze_options.source = workspace.project().sources.at(definition.source);
  bronze_options.threads = options.threads;
  bool personal = false;
  for (const catalog::ColumnDef& column : definition.columns) {
    personal = personal || column.scrub != catalog::Scrub::kNone || !column.pii.empty();
  }
  if (personal) {
    ASSAY_ASSIGN_OR_RETURN(
        bronze_options.key,
        privacy::load_or_create_key(workspace.world(), workspace.project().folder));
  }
  return bronze::BronzeOperator::create(definition, bronze_options);
}

lake::TableSpec quarantine_spec(const std::string& table_key) {
  return {table_key + "_quarantine", quality::quarantine_schema(), {"dt"}};
}

Result<BronzeRun> open_run(Workspace& workspace,
                           const std::string& name,
                           const RunOptions& options) {
  const catalog::BronzeDef& definition = workspace.project().bronze.at(name);
  BronzeRun run;
  run.name = name;
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key(name));
  run.app_id = workspace.app_id(key);
  ASSAY_ASSIGN_OR_RETURN(run.operation, make_operator(workspace, definition, options));
  run.state = run.operation->initial_state();
  run.ledger = std::make_unique<SourceLedger>(workspace.catalog());
  ASSAY_ASSIGN_OR_RETURN(run.source,
                         ingest::FileSource::open(workspace.world(),
                                                  workspace.project().sources.at(definition.source),
                                                  workspace.project().folder,
                                                  *run.ledger));
  ASSAY_ASSIGN_OR_RETURN(
      run.table,
      workspace.open_or_create_table(key, {key, run.operation->schema(), definition.partition_by}));
  ASSAY_ASSIGN_OR_RETURN(run.quarantine,
                         SideTable::open(workspace, quarantine_spec(key), "position"));
  return run;
}

/// Load from the table the accepted rows that may have duplicates in `read`.
Status load_duplicates(Workspace& workspace, BronzeRun& run, const bronze::ReadRecords& read) {
  const std::vector<bronze::TimeRange> needed = run.operation->needed_ranges(read);
  const std::string columns = column_list(run.operation->dedup_columns());
  for (const bronze::TimeRange& range : run.state.dedup.missing(needed)) {
    const std::string where = "event_time >= TIMESTAMPTZ '" + format_time(range.first) +
                              "' AND event_time <= TIMESTAMPTZ '" + format_time(range.last) + "'";
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                           workspace.read_table(run.table->key(), columns, where, ""));
    ASSAY_RETURN_IF_ERROR(run.state.dedup.load(rows, run.operation->definition().key, range));
  }
  return {};
}

/// Tell of a CSV file whose header lacks a required column: it was not written for this table, or
/// has no header. Its rows all go to quarantine; its first line is told here, since no row stands
/// for it.
void warn_of_header(Log& log,
                    const catalog::BronzeDef& definition,
                    const ingest::RecordBatch& records) {
  if (records.format != catalog::Format::kCsv || records.first.record() != 0) {
    return;
  }
  for (const catalog::ColumnDef& column : definition.columns) {
    const auto found = std::find(records.header.begin(), records.header.end(), column.name);
    if (column.required && found == records.header.end()) {
      std::string header;
      for (const std::string& name : records.header) {
        header += (header.empty() ? "" : ",") + name;
      }
      log.warn("csv_header_lacks_required_column",
               {{"table", definition.name},
                {"file", records.file},
                {"column", column.name + did_you_mean(column.name, records.header)},
                {"header", header}});
    }
  }
}

Status take_batch(Workspace& workspace,
                  BronzeRun& run,
                  const ingest::RecordBatch& records,
                  Epoch* epoch) {
  warn_of_header(workspace.world().log, run.operation->definition(), records);
  ASSAY_ASSIGN_OR_RETURN(bronze::ReadRecords read, run.operation->read(records));
  ASSAY_RETURN_IF_ERROR(load_duplicates(workspace, run, read));
  ASSAY_ASSIGN_OR_RETURN(bronze::BronzeOutput output,
                         run.operation->process(records, std::move(read), std::move(run.state)));
  run.state = std::move(output.state);
  quality::log_warnings(output.checks, "bronze." + run.name, workspace.world().log);
  epoch->rows.push_back(std::move(output.rows));
  epoch->quarantine.push_back(std::move(output.quarantine));
  epoch->account += output.account;
  epoch->end = records.end;
  return {};
}

Status commit_epoch(Workspace& workspace, BronzeRun& run, const Epoch& epoch, StageAccount* total) {
  StageAccount account;
  account.stage = "bronze";
  account.name = run.name;
  account.rows = epoch.account;
  ASSAY_RETURN_IF_ERROR(check_account(account));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rejected,
                         data::concat(quality::quarantine_schema(), epoch.quarantine));
  ASSAY_RETURN_IF_ERROR(run.quarantine->commit(rejected, epoch.end.value));
  fail_point("flow.bronze.between_commits");

  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, data::concat(run.operation->schema(), epoch.rows));
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  request.parameters = account_parameters(epoch.account);
  request.parameters["stage"] = "bronze";
  ASSAY_ASSIGN_OR_RETURN(request.adds, run.table->write_files(rows));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.table->snapshot());
  request.txns.push_back({run.app_id, epoch.end.value, snapshot->txn(run.app_id)});
  ASSAY_ASSIGN_OR_RETURN(const lake::TxnUpdate fingerprint,
                         workspace.fingerprint_update(*run.table));
  request.txns.push_back(fingerprint);
  ASSAY_RETURN_IF_ERROR(run.table->commit(request).status());
  fail_point("flow.bronze.after_commit");
  total->rows += epoch.account;
  total->commits += 1;
  if (run.state.dedup.bytes() > kDedupBytesMax) {
    run.state.dedup.keep_only({});
  }
  return {};
}

}  // namespace

Result<StageAccount> run_bronze_stage(Workspace& workspace,
                                      const std::string& name,
                                      const RunOptions& options) {
  const Duration started = workspace.world().clock.monotonic();
  StageAccount total;
  total.stage = "bronze";
  total.name = name;
  ASSAY_ASSIGN_OR_RETURN(BronzeRun run, open_run(workspace, name, options));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.table->snapshot());
  ASSAY_RETURN_IF_ERROR(run.source->discover().status());
  ASSAY_RETURN_IF_ERROR(run.source->seek({snapshot->txn(run.app_id).value_or(0)}));

  Status ended;
  bool more = true;
  while (more) {
    Epoch epoch;
    epoch.begin = run.source->position();
    while (epoch.account.in < options.epoch_rows) {
      Result<std::optional<ingest::RecordBatch>> records = run.source->next(
          options.epoch_rows - epoch.account.in, static_cast<std::size_t>(options.batch_bytes));
      if (!records.ok() || !records->has_value()) {
        // At damage, what came before it is still committed; then the failure is told.
        ended = records.ok() ? Status() : records.status();
        more = false;
        break;
      }
      ASSAY_RETURN_IF_ERROR(take_batch(workspace, run, **records, &epoch));
    }
    if (epoch.account.in > 0) {
      ASSAY_RETURN_IF_ERROR(commit_epoch(workspace, run, epoch, &total));
      options.say("bronze " + name + ": " + std::to_string(total.rows.in) + " rows");
    }
    if (more && options.stopping()) {
      return Status(Code::kCancelled,
                    "stopped after " + std::to_string(total.rows.in) +
                        " rows; `assay run` goes on from there");
    }
  }
  ASSAY_RETURN_IF_ERROR(ended);
  if (total.rows.in > 0) {
    ASSAY_ASSIGN_OR_RETURN(const quality::CheckResults checks, run.operation->finish(run.state));
    quality::log_warnings(checks, "bronze." + name, workspace.world().log);
  }
  total.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return total;
}

}  // namespace assay::flow
