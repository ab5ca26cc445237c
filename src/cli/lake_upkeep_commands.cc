#include "cli/commands.h"
#include "flow/retention.h"
#include "flow/status.h"
#include "lake/compaction.h"
#include "lake/doctor.h"
#include "lake/rewrite.h"
#include "lake/table_properties.h"
#include "lake/vacuum.h"

namespace assay::cli {
namespace {

const Positional kTable{"TABLE", "table, e.g. silver/events (`assay lake list` shows them)", true};
const Flag kDryRun{"dry-run", "", "only show what would be done", "", false, false};

/// A command's table, opened, with what work on its files needs.
struct OpenTable {
  std::unique_ptr<flow::Workspace> workspace;
  lake::DeltaTable* table = nullptr;
  std::string key;
  [[nodiscard]] lake::LakeAccess access(World& world) const {
    return {world, workspace->store(), workspace->sql()};
  }
};

Result<OpenTable> open_table(Invocation& invocation) {
  OpenTable open;
  ASSAY_ASSIGN_OR_RETURN(open.workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(open.key,
                         existing_table(*open.workspace, invocation.arguments.get("TABLE")));
  ASSAY_ASSIGN_OR_RETURN(open.table, open.workspace->table(open.key));
  return open;
}

Status run_compact(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const OpenTable open, open_table(invocation));
  ASSAY_ASSIGN_OR_RETURN(const int64_t target_mb, invocation.arguments.integer("target-mb", 1));
  lake::CompactionOptions options;
  options.target_bytes = target_mb << 20;
  options.dry_run = invocation.arguments.has("dry-run");
  ASSAY_ASSIGN_OR_RETURN(const lake::CompactionReport report,
                         lake::compact(open.access(invocation.world), *open.table, options));
  data::BatchBuilder rows(data::make_schema({{"table", data::Type::kString, false},
                                             {"files_removed", data::Type::kInt64, false},
                                             {"files_added", data::Type::kInt64, false},
                                             {"bytes_removed", data::Type::kInt64, false},
                                             {"bytes_added", data::Type::kInt64, false},
                                             {"commits", data::Type::kInt64, false},
                                             {"conflicts", data::Type::kInt64, false}}));
  rows.column(0).append_text(open.key);
  rows.column(1).append(report.files_removed);
  rows.column(2).append(report.files_added);
  rows.column(3).append(report.bytes_removed);
  rows.column(4).append(report.bytes_added);
  rows.column(5).append(report.commits);
  rows.column(6).append(report.conflicts);
  invocation.output.rows(rows.finish());
  return {};
}

Status run_vacuum(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const OpenTable open, open_table(invocation));
  std::optional<Duration> keep;
  if (!invocation.arguments.get("keep").empty()) {
    ASSAY_ASSIGN_OR_RETURN(keep, invocation.arguments.duration("keep", "24h or 7d"));
  }
  const bool dry_run = invocation.arguments.has("dry-run");
  const lake::LakeAccess access = open.access(invocation.world);
  ASSAY_ASSIGN_OR_RETURN(const std::optional<lake::Version> needed,
                         flow::oldest_position(*open.workspace, open.key));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::Version> kept,
                         flow::published_versions(*open.workspace, open.key));
  const lake::VacuumOptions options{
      .keep = keep, .needed = needed, .dry_run = dry_run, .kept = kept};
  ASSAY_ASSIGN_OR_RETURN(const lake::VacuumReport report,
                         lake::vacuum(access, *open.table, options));
  ASSAY_ASSIGN_OR_RETURN(
      const lake::LogCleanupReport log,
      lake::clean_log(access, *open.table, {.keep = {}, .needed = needed, .dry_run = dry_run}));
  data::BatchBuilder rows(data::make_schema({{"file", data::Type::kString, false}}));
  for (const std::string& file : report.files) {
    rows.column(0).append_text(file);
  }
  for (const std::string& file : log.files) {
    rows.column(0).append_text(file);
  }
  invocation.output.say(open.key + ": " + std::to_string(report.files.size()) + " data files (" +
                        std::to_string(report.bytes) + " bytes) and " +
                        std::to_string(log.files.size()) + " log files " +
                        (dry_run ? "would be removed" : "removed") + "; versions from " +
                        std::to_string(log.oldest) + " on can be read");
  invocation.output.rows(rows.finish());
  return {};
}

Status run_doctor(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  std::vector<std::string> keys;
  if (invocation.arguments.get("TABLE").empty()) {
    ASSAY_ASSIGN_OR_RETURN(keys, lake::list_tables(workspace->store()));
  } else {
    ASSAY_ASSIGN_OR_RETURN(const std::string key,
                           existing_table(*workspace, invocation.arguments.get("TABLE")));
    keys.push_back(key);
  }
  const lake::LakeAccess access{invocation.world, workspace->store(), workspace->sql()};
  lake::DoctorOptions options;
  options.mend = invocation.arguments.has("mend");
  options.statistics = !invocation.arguments.has("no-statistics");
  data::BatchBuilder rows(data::make_schema({{"severity", data::Type::kString, false},
                                             {"kind", data::Type::kString, false},
                                             {"object", data::Type::kString, false},
                                             {"finding", data::Type::kString, false},
                                             {"mended", data::Type::kBool, false}}));
  int64_t errors = 0;
  for (const std::string& key : keys) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::Finding> findings,
                           lake::examine_table(access, key, options));
    for (const lake::Finding& finding : findings) {
      rows.column(0).append_text(lake::severity_name(finding.severity));
      rows.column(1).append_text(finding.kind);
      rows.column(2).append_text(finding.object);
      rows.column(3).append_text(finding.text);
      rows.column(4).append<uint8_t>(finding.mended ? 1 : 0);
      errors += finding.severity == lake::Finding::Severity::kError && !finding.mended ? 1 : 0;
    }
  }
  invocation.output.rows(rows.finish());
  if (errors > 0) {
    return {Code::kCorrupt, std::to_string(errors) + " errors in the lake"};
  }
  invocation.output.say(std::to_string(keys.size()) + " tables examined, no errors");
  return {};
}

Status run_set(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const OpenTable open, open_table(invocation));
  const std::string& setting = invocation.arguments.get("PROPERTY");
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) {
    return {Code::kInvalidArgument, "not NAME=VALUE: `" + setting + "`"};
  }
  const std::string name = setting.substr(0, equals);
  const std::string value = setting.substr(equals + 1);
  lake::CommitRequest request;
  request.operation = value.empty() ? "UNSET TBLPROPERTIES" : "SET TBLPROPERTIES";
  request.parameters = {{"properties", setting}};
  request.properties[name] = value.empty() ? std::nullopt : std::optional(value);
  ASSAY_ASSIGN_OR_RETURN(const lake::Version version, open.table->commit(request));
  invocation.output.say(open.key + ": version " + std::to_string(version) +
                        (value.empty() ? " has no " + name : " has " + setting));
  return {};
}

Status run_drop(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const OpenTable open, open_table(invocation));
  const bool dry_run = invocation.arguments.has("dry-run");
  ASSAY_ASSIGN_OR_RETURN(const auto before, open.table->snapshot());
  const std::size_t files = before->files.size();
  ASSAY_ASSIGN_OR_RETURN(const lake::RewriteReport report,
                         lake::drop_partitions(open.access(invocation.world),
                                               *open.table,
                                               invocation.arguments.get("WHERE"),
                                               {},
                                               dry_run));
  invocation.output.say(open.key + ": " + std::to_string(report.rows_removed) + " rows in " +
                        std::to_string(report.files_removed) + " of its " + std::to_string(files) +
                        " files " + (dry_run ? "would be dropped" : "dropped") +
                        (report.version < 0 ? "" : ", version " + std::to_string(report.version)));
  return {};
}

/// True when every stage has taken what stands before it: nothing that is dropped is still wanted.
Status require_no_lag(flow::Workspace& workspace) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<flow::StageStatus> stages,
                         flow::project_status(workspace));
  for (const flow::StageStatus& stage : stages) {
    if (stage.lag > 0) {
      return {Code::kFailedPrecondition,
              stage.account.stage + " " + stage.account.name +
                  " has not taken all rows yet; `assay run` lets it, and drops old days itself"};
    }
  }
  return {};
}

Status run_expire(Invocation& invocation) {
  const bool dry_run = invocation.arguments.has("dry-run");
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_applied_workspace(invocation));
  std::unique_ptr<FileLock> lock;
  if (!dry_run) {
    ASSAY_ASSIGN_OR_RETURN(lock, workspace->lock_for_writing());
    ASSAY_RETURN_IF_ERROR(require_no_lag(*workspace));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<flow::DroppedDays> dropped,
                         flow::drop_old_days(*workspace, dry_run));
  data::BatchBuilder rows(data::make_schema({{"table", data::Type::kString, false},
                                             {"kept_from", data::Type::kTimestamp, false},
                                             {"files", data::Type::kInt64, false},
                                             {"rows", data::Type::kInt64, false},
                                             {"version", data::Type::kInt64, true}}));
  for (const flow::DroppedDays& each : dropped) {
    rows.column(0).append_text(each.table);
    rows.column(1).append(each.kept_from.micros);
    rows.column(2).append(each.files);
    rows.column(3).append(each.rows);
    if (each.version >= 0) {
      rows.column(4).append(each.version);
    } else {
      rows.column(4).append_null();
    }
  }
  invocation.output.rows(rows.finish());
  return {};
}

}  // namespace

std::vector<Command> lake_upkeep_commands() {
  return {
      {{"lake", "compact"},
       "merge a table's small files into large ones",
       "No row changes; readers and the table's own stream may go on meanwhile.",
       {kTable},
       {{"target-mb", "MB", "size of the files to make", "256", false, false}, kDryRun},
       run_compact},
      {{"lake", "vacuum"},
       "remove data and log files that no version needs any more",
       "Removed files stay for delta.deletedFileRetentionDuration (7 days), log files for "
       "delta.logRetentionDuration (30 days).",
       {kTable},
       {{"keep", "TIME", "let removed files stay for this long only, e.g. 12h", "", false, false},
        kDryRun},
       run_vacuum},
      {{"lake", "expire"},
       "drop the days that tables do not keep any longer, as their `keep` says",
       "`assay run` does this at its end. One commit a table; `lake vacuum` removes the files "
       "later.",
       {},
       {kDryRun},
       run_expire},
      {{"lake", "doctor"},
       "examine tables: log, files, statistics, leftovers",
       "Ends with an error when something is wrong that was not mended.",
       {{"TABLE", "table; all of them when left out", false}},
       {{"mend", "", "mend statistics and checkpoints, while no one else writes", "", false, false},
        {"no-statistics", "", "do not read the data files", "", false, false}},
       run_doctor},
      {{"lake", "set"},
       "set a table's property, e.g. delta.appendOnly=true; NAME= unsets it",
       "assay.writer says which engine writes the table: assay, any, or another one's name.",
       {kTable, {"PROPERTY", "NAME=VALUE", true}},
       {},
       run_set},
      {{"lake", "drop-partitions"},
       "drop whole partitions in one commit",
       "A WHERE that every partition fulfils empties the table. Until `assay lake vacuum` removes "
       "the "
       "files, VERSION AS OF reads the rows.",
       {kTable, {"WHERE", "SQL over partition columns, e.g. \"dt < DATE '2025-01-01'\"", true}},
       {kDryRun},
       run_drop},
  };
}

}  // namespace assay::cli
