#include "flow/silver_stage.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/fail_point.h"
#include "bronze/contract.h"
#include "catalog/table_schema.h"
#include "flow/lag_metrics.h"
#include "flow/part_facts.h"
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
  Duration idle_timeout;     // of these
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
  if (run.reads_parts) {
    run.state.parts = read_part_times(*snapshot, workspace.app_id(run.key));
    run.idle_timeout = workspace.idle_timeout(definition.from);
  } else if (newest.has_value()) {
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

/// All rows of a version of the bronze table were judged: those behind it are judged by what it
/// says of its parts.
void end_commit(const SilverRun& run, const lake::Snapshot& source, silver::SilverState* state) {
  if (state->parts.has_value()) {
    silver::end_commit(
        read_part_facts(source, run.source_app_id), run.idle_timeout, &*state->parts);
  }
}

/// What a version of the bronze table came to; `adds`: its rows, in files. `is_all`: all of it, not
/// what came with it.
Status commit_files(Workspace& workspace,
                    SilverRun& run,
                    const silver::SilverOutput& output,
                    std::vector<lake::DataFile> adds,
                    lake::Version version,
                    bool is_all = false) {
  // Not by sequence: a replay of quarantine brings old ones.
  ASSAY_RETURN_IF_ERROR(
      run.quarantine->commit_version(output.quarantine, version, run.reads_parts, is_all));
  ASSAY_RETURN_IF_ERROR(run.late->commit_version(output.late, version, run.reads_parts, is_all));
  fail_point("flow.silver.between_commits");
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  request.parameters = account_parameters(output.account);
  request.parameters["stage"] = "silver";
  request.adds = std::move(adds);
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
  if (output.state.parts.has_value()) {
    std::ranges::move(say_part_times(*output.state.parts, *snapshot, app_id),
                      std::back_inserter(request.txns));
  } else if (output.state.newest.has_value()) {
    const std::string watermark = app_id + "/watermark";
    request.txns.push_back({watermark, output.state.newest->micros, snapshot->txn(watermark)});
  }
  ASSAY_RETURN_IF_ERROR(run.table->commit(request).status());
  fail_point("flow.silver.after_commit");
  if (output.state.parts.has_value()) {
    tell_part_times(workspace, run.name, *output.state.parts);
  }
  return {};
}

Status commit_output(Workspace& workspace,
                     SilverRun& run,
                     const silver::SilverOutput& output,
                     lake::Version version) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<lake::DataFile> adds, run.table->write_files(output.rows));
  return commit_files(workspace, run, output, std::move(adds), version);
}

/// Whether the commits of a table that was never read can be read one by one: its log has them, and
/// its files are still those that they wrote.
bool has_all_commits(const Result<std::vector<lake::DeltaTable::AddedFile>>& added,
                     const lake::Snapshot& source) {
  return added.ok() && std::all_of(added->begin(), added->end(), [&](const auto& one) {
           return source.files.contains(one.file.path);
         });
}

/// SQL conditions that cut a relation's rows into runs in order of sequence.
Result<std::vector<std::string>> runs_by_sequence(data::SqlEngine& sql,
                                                  const std::string& relation) {
  constexpr int64_t kRowsOfARun = 1'000'000;
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch begins,
      sql.query("SELECT sequence FROM (SELECT sequence, row_number() OVER (ORDER BY sequence) AS n"
                " FROM " +
                relation + ") WHERE n % " + std::to_string(kRowsOfARun) +
                " = 1 ORDER BY sequence"));
  std::vector<std::string> runs;
  const auto sequences = begins.column(0).values<int64_t>();
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    runs.push_back("sequence >= " + std::to_string(sequences[i]));
    if (i + 1 < sequences.size()) {
      runs.back() += " AND sequence < " + std::to_string(sequences[i + 1]);
    }
  }
  return runs;
}

/// Take everything that a version of the bronze table holds, as one commit: its own commits cannot
/// be read any more. Rows are judged as they were, row by row in their order, those of parts that
/// were read side by side by their own parts alone.
Result<StageAccount> take_whole(Workspace& workspace,
                                SilverRun& run,
                                const lake::Snapshot& source,
                                const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, run.source->relation(source));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> runs,
                         runs_by_sequence(workspace.sql(), relation));
  silver::SilverOutput all;
  std::vector<lake::DataFile> adds;
  std::vector<data::Batch> late;
  std::vector<data::Batch> quarantine;
  for (const std::string& where : runs) {
    ASSAY_ASSIGN_OR_RETURN(const data::Batch bronze,
                           workspace.sql().query("SELECT * FROM " + relation + " WHERE " + where +
                                                 " ORDER BY sequence"));
    ASSAY_ASSIGN_OR_RETURN(silver::SilverOutput output,
                           run.operation->process(bronze, run.lookups, std::move(run.state)));
    quality::log_warnings(output.checks, "silver." + run.name, workspace.world().log);
    ASSAY_ASSIGN_OR_RETURN(std::vector<lake::DataFile> files, run.table->write_files(output.rows));
    std::move(files.begin(), files.end(), std::back_inserter(adds));
    late.push_back(std::move(output.late));
    quarantine.push_back(std::move(output.quarantine));
    all.account += output.account;
    run.state = std::move(output.state);
    options.say("silver " + run.name + ": " + std::to_string(all.account.in) +
                " rows of the whole table");
    if (options.stopping()) {
      return Status(Code::kCancelled,
                    "stopped; the next `assay run` begins silver." + run.name + " again");
    }
  }
  ASSAY_ASSIGN_OR_RETURN(all.late, data::concat(run.operation->output_schema(), late));
  ASSAY_ASSIGN_OR_RETURN(all.quarantine, data::concat(quality::quarantine_schema(), quarantine));
  all.state = run.state;
  end_commit(run, source, &all.state);
  StageAccount account;
  account.stage = "silver";
  account.name = run.name;
  account.rows = all.account;
  account.commits = 1;
  ASSAY_RETURN_IF_ERROR(check_account(account));
  ASSAY_RETURN_IF_ERROR(commit_files(workspace, run, all, std::move(adds), source.version, true));
  run.state = std::move(all.state);
  return account;
}

/// A commit without rows, whose positions are those of a version of the bronze table.
Status commit_nothing(Workspace& workspace,
                      SilverRun& run,
                      silver::SilverState state,
                      lake::Version version) {
  silver::SilverOutput nothing;
  nothing.rows = data::Batch::empty(run.operation->output_schema());
  nothing.late = nothing.rows;
  nothing.quarantine = data::Batch::empty(quality::quarantine_schema());
  nothing.state = std::move(state);
  return commit_output(workspace, run, nothing, version);
}

/// Without a lake: the table's positions become those of the bronze table's version; its rows are
/// in the online store.
Status follow_positions(Workspace& workspace,
                        SilverRun& run,
                        lake::Version done,
                        lake::Version newest) {
  if (done >= newest) {
    return {};
  }
  silver::SilverState state;
  ASSAY_ASSIGN_OR_RETURN(const auto source, run.source->snapshot(newest));
  state.parts = read_part_times(*source, workspace.app_id(run.key));
  return commit_nothing(workspace, run, std::move(state), newest);
}

/// Epochs without rows before a version of the bronze table that ends none: they have a commit of
/// their own, or the rows of this version would count as theirs, which a view that is ahead of the
/// lake has.
Status end_epochs_before(Workspace& workspace, SilverRun& run, lake::Version version) {
  const std::string app_id = workspace.app_id(run.key);
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.table->snapshot());
  const std::optional<int64_t> done = snapshot->txn(app_id);
  if (!run.reads_parts || !done.has_value() || version - 1 <= *done) {
    return {};
  }
  const auto reads_at = [&](const lake::Snapshot& source) {
    return source.txn(reads_app_id(run.source_app_id)).value_or(0);
  };
  ASSAY_ASSIGN_OR_RETURN(const auto before, run.source->snapshot(version - 1));
  ASSAY_ASSIGN_OR_RETURN(const auto at, run.source->snapshot(version));
  const bool ends_none = reads_at(*before) == reads_at(*at);
  const bool lacks_some = reads_at(*before) > snapshot->txn(reads_app_id(app_id)).value_or(0);
  return ends_none && lacks_some ? commit_nothing(workspace, run, run.state, version - 1)
                                 : Status();
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
  if (!workspace.project().has_lake) {
    ASSAY_RETURN_IF_ERROR(follow_positions(workspace, run, done, source->version));
    return total;
  }
  const auto added = run.source->added_between(done, source->version);
  const bool takes_whole = done < 0 && !has_all_commits(added, *source);
  ASSAY_RETURN_IF_ERROR(takes_whole ? Status() : added.status());
  const std::vector<SourceCommit> commits =
      takes_whole ? std::vector<SourceCommit>() : commits_of(*added);
  if (commits.empty() && !takes_whole) {
    return total;
  }
  ASSAY_ASSIGN_OR_RETURN(run.lookups, read_lookups(workspace, *run.operation));
  if (takes_whole) {
    ASSAY_ASSIGN_OR_RETURN(total, take_whole(workspace, run, *source, options));
  }
  for (const SourceCommit& commit : commits) {
    ASSAY_RETURN_IF_ERROR(end_epochs_before(workspace, run, commit.version));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch bronze, read_commit(workspace, run, commit));
    ASSAY_ASSIGN_OR_RETURN(silver::SilverOutput output,
                           run.operation->process(bronze, run.lookups, std::move(run.state)));
    quality::log_warnings(output.checks, "silver." + name, workspace.world().log);
    if (run.reads_parts) {
      ASSAY_ASSIGN_OR_RETURN(const auto at, run.source->snapshot(commit.version));
      end_commit(run, *at, &output.state);
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

Result<std::optional<silver::PartTimes>> part_times_behind(Workspace& workspace,
                                                           const std::string& name) {
  const std::string& from = workspace.project().silver.at(name).from;
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.silver_table_key(name));
  const std::string app_id = workspace.app_id(key);
  if (!workspace.project().has_lake) {
    ASSAY_ASSIGN_OR_RETURN(const std::string source, workspace.bronze_table_key(from));
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * bronze, workspace.table(source));
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, bronze->snapshot());
    return std::optional(read_part_times(*snapshot, app_id));
  }
  const Result<lake::DeltaTable*> table = workspace.table(key);
  if (table.code() == Code::kNotFound) {
    return std::optional(silver::PartTimes());  // no view has rows of it
  }
  ASSAY_RETURN_IF_ERROR(table.status());
  ASSAY_ASSIGN_OR_RETURN(SilverRun run, open_run(workspace, name));
  ASSAY_ASSIGN_OR_RETURN(const auto source, run.source->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, run.table->snapshot());
  const lake::Version done = snapshot->txn(app_id).value_or(-1);
  const auto added = run.source->added_between(done, source->version);
  if (!added.ok() || (done < 0 && !has_all_commits(added, *source))) {
    return std::optional<silver::PartTimes>();
  }
  for (const SourceCommit& commit : commits_of(*added)) {
    ASSAY_ASSIGN_OR_RETURN(const data::Batch bronze, read_commit(workspace, run, commit));
    ASSAY_ASSIGN_OR_RETURN(silver::SilverOutput output,
                           run.operation->process(bronze, run.lookups, std::move(run.state)));
    ASSAY_ASSIGN_OR_RETURN(const auto at, run.source->snapshot(commit.version));
    end_commit(run, *at, &output.state);
    run.state = std::move(output.state);
  }
  return run.state.parts;
}

}  // namespace assay::flow
