#include "flow/silver_stage.h"

#include "base/fail_point.h"
#include "bronze/contract.h"
#include "catalog/table_schema.h"
#include "flow/part_position.h"
#include "flow/retention.h"
#include "flow/side_table.h"
#include "flow/versions.h"
#include "quality/quarantine.h"
#include "silver/contract.h"
#include "silver/silver_operator.h"

namespace assay::flow {
namespace {

/// Everything open that one silver table needs.
struct SilverRun {
  std::string name;
  std::string key;
  std::string source_app_id;
  bool reads_parts = false;  // the bronze table's commits mix parts that were read side by side
  silver::SilverOperator* operation = nullptr;
  lake::DeltaTable* source = nullptr;
  lake::DeltaTable* table = nullptr;
  std::unique_ptr<SideTable> quarantine;
  std::unique_ptr<SideTable> late;
  silver::Lookups lookups;
  silver::SilverState state;
  std::optional<int64_t> kept_from;  // of the bronze table, when its rows are all that there is
};

/// One bronze commit.
struct SourceCommit {
  lake::Version version = -1;
  std::vector<lake::DataFile> files;
};

std::vector<SourceCommit> commits_of(const std::vector<lake::DeltaTable::AddedFile>& added) {
  std::vector<SourceCommit> commits;
  for (const lake::DeltaTable::AddedFile& file : added) {
    if (commits.empty() || commits.back().version != file.version) {
      commits.push_back({file.version, {}});
    }
    commits.back().files.push_back(file.file);
  }
  return commits;
}

Result<silver::Lookups> read_lookups(Workspace& workspace,
                                     const silver::SilverOperator& operation) {
  silver::Lookups lookups;
  for (const auto& [name, columns] : operation.lookup_columns()) {
    std::vector<std::string> wanted = columns;
    if (catalog::is_of_changes(workspace.project(), name)) {
      wanted.emplace_back(catalog::kReplacedTime);
    }
    ASSAY_ASSIGN_OR_RETURN(lookups[name], read_visible(workspace, name, wanted, "", "sequence"));
  }
  return lookups;
}

Result<SilverRun> open_run(Workspace& workspace, const std::string& name) {
  const catalog::SilverDef& definition = workspace.project().silver.at(name);
  SilverRun run;
  run.name = name;
  ASSAY_ASSIGN_OR_RETURN(run.key, workspace.silver_table_key(name));
  ASSAY_ASSIGN_OR_RETURN(run.operation, workspace.silver_operator(name));
  ASSAY_ASSIGN_OR_RETURN(const std::string source_key, workspace.bronze_table_key(definition.from));
  ASSAY_ASSIGN_OR_RETURN(run.source, workspace.table(source_key));
  run.source_app_id = workspace.app_id(source_key);
  run.reads_parts = workspace.reads_parts(definition.from);
  const lake::TableSpec spec{run.key, run.operation->output_schema(), definition.partition_by};
  ASSAY_ASSIGN_OR_RETURN(run.table, workspace.open_or_create_table(run.key, spec));
  const lake::TableSpec quarantine{run.key + "_quarantine", quality::quarantine_schema(), {"dt"}};
  ASSAY_ASSIGN_OR_RETURN(run.quarantine, SideTable::open(workspace, quarantine, "position"));
  const lake::TableSpec late{
      run.key + "_late", run.operation->output_schema(), definition.partition_by};
  ASSAY_ASSIGN_OR_RETURN(run.late, SideTable::open(workspace, late, silver::kSequence));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.table->snapshot());
  const std::optional<int64_t> newest = snapshot->txn(workspace.app_id(run.key) + "/watermark");
  if (newest.has_value()) {
    run.state.newest = EventTime{*newest};
  }
  return run;
}

Result<data::Batch> read_commit(Workspace& workspace, SilverRun& run, const SourceCommit& commit) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.source->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                         run.source->relation_of(*snapshot, commit.files));
  return workspace.sql().query("SELECT * FROM " + relation + " ORDER BY sequence");
}

/// The newest event time that rows are judged by, as a version of the bronze table says it. Of
/// parts read side by side it is that of the slowest one.
Result<std::optional<EventTime>> low_time_of(SilverRun& run, lake::Version version) {
  if (version < 0) {
    return std::optional<EventTime>();
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.source->snapshot(version));
  const std::optional<int64_t> micros = snapshot->txn(low_time_app_id(run.source_app_id));
  return micros.has_value() ? std::optional(EventTime{*micros}) : std::nullopt;
}

Status commit_output(Workspace& workspace,
                     SilverRun& run,
                     const silver::SilverOutput& output,
                     lake::Version version) {
  // Not by sequence: a replay of quarantine brings old ones.
  ASSAY_RETURN_IF_ERROR(
      run.quarantine->commit_version(output.quarantine, version, run.reads_parts));
  ASSAY_RETURN_IF_ERROR(run.late->commit_version(output.late, version, run.reads_parts));
  fail_point("flow.silver.between_commits");
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  request.parameters = account_parameters(output.account);
  request.parameters["stage"] = "silver";
  ASSAY_ASSIGN_OR_RETURN(request.adds, run.table->write_files(output.rows));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.table->snapshot());
  const std::string app_id = workspace.app_id(run.key);
  request.txns.push_back({app_id, version, snapshot->txn(app_id)});
  ASSAY_ASSIGN_OR_RETURN(const lake::TxnUpdate fingerprint,
                         workspace.fingerprint_update(*run.table));
  request.txns.push_back(fingerprint);
  if (run.reads_parts) {
    ASSAY_ASSIGN_OR_RETURN(const auto source, run.source->snapshot(version));
    for (const auto& id_of : {epoch_app_id, reads_app_id}) {
      const std::optional<int64_t> held = source->txn(id_of(run.source_app_id));
      if (held.has_value()) {
        request.txns.push_back({id_of(app_id), *held, snapshot->txn(id_of(app_id))});
      }
    }
  }
  if (run.kept_from.has_value()) {
    const std::string id = app_id + "/kept_from";
    request.txns.push_back({id, *run.kept_from, snapshot->txn(id)});
    run.kept_from.reset();
  }
  if (output.state.newest.has_value()) {
    const std::string watermark = app_id + "/watermark";
    request.txns.push_back({watermark, output.state.newest->micros, snapshot->txn(watermark)});
  }
  ASSAY_RETURN_IF_ERROR(run.table->commit(request).status());
  fail_point("flow.silver.after_commit");
  return {};
}

}  // namespace

Result<StageAccount> run_silver_stage(Workspace& workspace,
                                      const std::string& name,
                                      const RunOptions& options) {
  const Duration started = workspace.world().clock.monotonic();
  StageAccount total;
  total.stage = "silver";
  total.name = name;
  ASSAY_ASSIGN_OR_RETURN(SilverRun run, open_run(workspace, name));
  ASSAY_ASSIGN_OR_RETURN(const auto source, run.source->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.table->snapshot());
  const lake::Version done = snapshot->txn(workspace.app_id(run.key)).value_or(-1);
  if (done < 0) {
    run.kept_from = kept_from(workspace, run.source->key(), *source);
  }
  ASSAY_ASSIGN_OR_RETURN(const auto added, run.source->added_between(done, source->version));
  const std::vector<SourceCommit> commits = commits_of(added);
  if (commits.empty()) {
    return total;
  }
  ASSAY_ASSIGN_OR_RETURN(run.lookups, read_lookups(workspace, *run.operation));
  for (const SourceCommit& commit : commits) {
    ASSAY_ASSIGN_OR_RETURN(const data::Batch bronze, read_commit(workspace, run, commit));
    if (run.reads_parts) {
      run.state.moves_newest = false;
      ASSAY_ASSIGN_OR_RETURN(run.state.newest, low_time_of(run, commit.version - 1));
    }
    ASSAY_ASSIGN_OR_RETURN(silver::SilverOutput output,
                           run.operation->process(bronze, run.lookups, std::move(run.state)));
    quality::log_warnings(output.checks, "silver." + name, workspace.world().log);
    if (run.reads_parts) {
      ASSAY_ASSIGN_OR_RETURN(output.state.newest, low_time_of(run, commit.version));
    }
    StageAccount account;
    account.stage = "silver";
    account.name = name;
    account.rows = output.account;
    ASSAY_RETURN_IF_ERROR(check_account(account));
    ASSAY_RETURN_IF_ERROR(commit_output(workspace, run, output, commit.version));
    run.state = std::move(output.state);
    total.rows += output.account;
    total.commits += 1;
    options.say("silver " + name + ": " + std::to_string(total.rows.in) + " rows");
    if (options.stopping()) {
      return Status(Code::kCancelled,
                    "stopped after version " + std::to_string(commit.version) + " of bronze/" +
                        workspace.project().silver.at(name).from +
                        "; `assay run` goes on from there");
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const quality::CheckResults checks, run.operation->finish(run.state));
  quality::log_warnings(checks, "silver." + name, workspace.world().log);
  total.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return total;
}

}  // namespace assay::flow
