#include "flow/run.h"

#include <set>

#include "flow/bronze_stage.h"
#include "flow/direct_line.h"
#include "flow/gold_stage.h"
#include "flow/online_stage.h"
#include "flow/plain_parquet.h"
#include "flow/publish.h"
#include "flow/silver_stage.h"
#include "lake/doctor.h"

namespace assay::flow {
namespace {

void place(const catalog::Project& project,
           const std::string& name,
           std::set<std::string>* placed,
           std::vector<std::string>* order) {
  if (!placed->insert(name).second) {
    return;
  }
  for (const catalog::EnrichDef& enrich : project.silver.at(name).enrich) {
    if (project.silver.count(enrich.lookup) != 0) {
      place(project, enrich.lookup, placed, order);
    }
  }
  order->push_back(name);
}

using Stage = Result<StageAccount> (*)(Workspace&, const std::string&, const RunOptions&);

struct Step {
  Stage stage;
  std::string kind;
  std::string name;
};

std::vector<Step> plan_steps(const catalog::Project& project) {
  std::vector<Step> steps;
  for (const auto& [name, definition] : project.bronze) {
    steps.push_back({run_bronze_stage, "bronze", name});
  }
  for (const std::string& name : silver_order(project)) {
    steps.push_back({run_silver_stage, "silver", name});
  }
  if (!project.has_lake) {
    return steps;  // lines bring the views' rows
  }
  for (const auto& [name, definition] : project.views) {
    steps.push_back({run_gold_stage, "gold", name});
  }
  for (const auto& [name, definition] : project.views) {
    steps.push_back({run_online_stage, "online", name});
  }
  return steps;
}

}  // namespace

void count_rows(Metrics& metrics, const StageAccount& account) {
  const auto count = [&](const char* outcome, int64_t rows) {
    metrics
        .counter("assay_flow_rows_total",
                 "Rows that a stage took, by what became of them",
                 {{"stage", account.stage}, {"name", account.name}, {"outcome", outcome}})
        .add(rows);
  };
  count("out", account.rows.out);
  count("filtered", account.rows.filtered);
  count("duplicate", account.rows.duplicates);
  count("late", account.rows.late);
  count("quarantined", account.rows.quarantined);
}

void add_account(Metrics& metrics, StageAccount account, RunReport* report) {
  count_rows(metrics, account);
  merge_account(std::move(account), report);
}

void merge_account(StageAccount account, RunReport* report) {
  for (StageAccount& stage : report->stages) {
    if (stage.stage == account.stage && stage.name == account.name) {
      stage.rows += account.rows;
      stage.steps += account.steps;
      stage.commits += account.commits;
      stage.seconds += account.seconds;
      return;
    }
  }
  report->stages.push_back(std::move(account));
}

Status run_steps(Workspace& workspace, const RunOptions& options, Steps steps, RunReport* report) {
  for (const Step& step : plan_steps(workspace.project())) {
    if (steps == Steps::kFilesAndTables && step.kind == "bronze" &&
        workspace.reads_parts(step.name)) {
      continue;
    }
    if (options.stopping()) {
      return {Code::kCancelled,
              "stopped before " + step.kind + " " + step.name + "; `assay run` goes on from there"};
    }
    options.say(step.kind + " " + step.name);
    Result<StageAccount> account = step.stage(workspace, step.name, options);
    if (!account.ok()) {
      return lake::send_to_doctor(account.status().with_context(step.kind + " " + step.name),
                                  workspace.store().read_path(""));
    }
    workspace.world().log.debug("stage_done",
                                {{"stage", step.kind},
                                 {"name", step.name},
                                 {"rows_in", account->rows.in},
                                 {"rows_out", account->rows.out},
                                 {"seconds", account->seconds}});
    add_account(workspace.world().metrics, *std::move(account), report);
  }
  return {};
}

Status keep_tables(Workspace& workspace, RunReport* report) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<DroppedDays> dropped, drop_old_days(workspace, false));
  report->dropped.insert(report->dropped.end(), dropped.begin(), dropped.end());
  return publish_plain_parquet(workspace);
}

std::vector<std::string> silver_order(const catalog::Project& project) {
  std::set<std::string> placed;
  std::vector<std::string> order;
  for (const auto& [name, definition] : project.silver) {
    place(project, name, &placed, &order);
  }
  return order;
}

namespace {

/// All stages, from where the tables stand.
Status run_from_tables(Workspace& workspace, const RunOptions& options, RunReport* report) {
  if (!workspace.project().has_lake) {
    ASSAY_RETURN_IF_ERROR(prepare_direct_lines(workspace, options));
  }
  return run_steps(workspace, options, Steps::kAll, report);
}

}  // namespace

Result<RunReport> run_all(Workspace& workspace, const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace.lock_for_writing());
  ASSAY_ASSIGN_OR_RETURN(const int64_t run, workspace.catalog().start_run("run"));
  RunReport report;
  const Duration started = workspace.world().clock.monotonic();
  const bool has_lake = workspace.project().has_lake;
  Status status = run_from_tables(workspace, options, &report);
  if (!has_lake && status.code() == Code::kAborted) {  // a view lost its place: it begins anew
    status = run_from_tables(workspace, options, &report);
  }
  if (status.ok()) {
    status = workspace.mark_complete();
  }
  if (status.ok()) {
    status = Publisher(workspace).publish(options, &report);
  }
  if (status.ok()) {
    status = keep_tables(workspace, &report);
  }
  report.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  const char* outcome = status.ok()                         ? "ok"
                        : status.code() == Code::kCancelled ? "stopped"
                                                            : "failed";
  ASSAY_RETURN_IF_ERROR(workspace.catalog().finish_run(run, outcome, accounts_json(report.stages)));
  ASSAY_RETURN_IF_ERROR(status);
  return report;
}

}  // namespace assay::flow
