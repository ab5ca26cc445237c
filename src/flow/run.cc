#include "flow/run.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "flow/bronze_stage.h"
#include "flow/direct_line.h"
#include "flow/gold_stage.h"
#include "flow/online_stage.h"
#include "flow/plain_parquet.h"
#include "flow/publish.h"
#include "flow/silver_stage.h"
#include "flow/step_thread.h"
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

}  // namespace

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

std::vector<Step> followers_of(const catalog::Project& project, const std::string& bronze) {
  const auto speaks_of_runs = [](const catalog::CheckDef& check) {
    return check.kind == catalog::CheckKind::kUnique ||
           check.kind == catalog::CheckKind::kFreshness ||
           check.kind == catalog::CheckKind::kRowCount;
  };
  std::vector<Step> steps;
  for (const auto& [name, silver] : project.silver) {
    if (silver.from == bronze && silver.enrich.empty() &&
        std::none_of(silver.checks.begin(), silver.checks.end(), speaks_of_runs)) {
      steps.push_back({run_silver_stage, "silver", name});
    }
  }
  return steps;
}

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
  merge_account(std::move(account), &report->stages);
}

void merge_account(StageAccount account, std::vector<StageAccount>* stages) {
  for (StageAccount& stage : *stages) {
    if (stage.stage == account.stage && stage.name == account.name) {
      stage.rows += account.rows;
      stage.steps += account.steps;
      stage.commits += account.commits;
      stage.seconds += account.seconds;
      return;
    }
  }
  stages->push_back(std::move(account));
}

Status run_step(Workspace& workspace,
                const Step& step,
                const RunOptions& options,
                RunReport* report) {
  if (options.stopping()) {
    return {Code::kCancelled,
            "stopped before " + step.kind + " " + step.name + "; `assay run` goes on from there"};
  }
  options.say(step.kind + " " + step.name);
  std::vector<StageAccount> beyond;
  RunOptions own = options;
  own.also_did = [&](StageAccount did) { merge_account(std::move(did), &beyond); };
  Result<StageAccount> account = step.stage(workspace, step.name, own);
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
  for (StageAccount& did : beyond) {  // counted as it was done
    merge_account(std::move(did), report);
  }
  return {};
}

namespace {

int64_t rows_taken(const RunReport& report) {
  int64_t rows = 0;
  for (const StageAccount& stage : report.stages) {
    rows += stage.rows.out;
  }
  return rows;
}

/// As run_steps, with a thread `beside` this one: silver takes what bronze commits while bronze
/// reads on, and the online store takes silver's rows while gold is made of them.
Status run_steps_beside(Workspace& workspace,
                        const RunOptions& options,
                        StepThread& beside,
                        RunReport* report) {
  const std::vector<Step> steps = plan_steps(workspace.project());
  bool is_online_beside = false;
  std::string kind;
  for (const Step& step : steps) {
    if (std::exchange(kind, step.kind) != step.kind) {
      if (step.kind == "silver") {
        ASSAY_RETURN_IF_ERROR(beside.wait(report));
      }
      if (step.kind == "gold" && rows_taken(*report) >= *options.side_by_side_rows) {
        std::vector<Step> online;
        std::copy_if(steps.begin(), steps.end(), std::back_inserter(online), [](const Step& one) {
          return one.kind == "online";
        });
        is_online_beside = beside.begin(online).ok();  // else the stages tell why, in their turn
      }
    }
    if (step.kind == "online" && is_online_beside) {
      break;
    }
    RunOptions own = options;
    if (step.kind == "bronze") {
      // Of what is committed once silver comes soon enough behind it.
      own.committed = [&beside,
                       followers = followers_of(workspace.project(), step.name),
                       commits = 0,
                       follows = true]() mutable {
        follows = follows && (++commits == 1 || beside.begin(followers).ok());
      };
    }
    ASSAY_RETURN_IF_ERROR(run_step(workspace, step, own, report));
  }
  return beside.wait(report);
}

/// What the thread beside has done is in the report also where a step here has failed.
Status run_steps_side_by_side(Workspace& workspace, const RunOptions& options, RunReport* report) {
  StepThread beside(workspace, options);
  Status status = run_steps_beside(workspace, options, beside, report);
  const Status ended = beside.end(report);
  return status.ok() ? ended : status;
}

}  // namespace

Status run_steps(Workspace& workspace, const RunOptions& options, Steps steps, RunReport* report) {
  GoldPace* const pace = options.gold_pace;
  Clock& clock = workspace.world().clock;
  std::vector<Step> plan = plan_steps(workspace.project());
  if (pace != nullptr) {  // who is served does not wait for gold
    std::stable_partition(
        plan.begin(), plan.end(), [](const Step& step) { return step.kind != "gold"; });
  }
  std::optional<Duration> gold_began;
  for (const Step& step : plan) {
    if (steps == Steps::kFilesAndTables && step.kind == "bronze" &&
        workspace.reads_parts(step.name)) {
      continue;
    }
    if (pace != nullptr && step.kind == "gold" && !gold_began.has_value()) {
      gold_began = clock.monotonic();
      if (!pace->takes(*gold_began)) {
        return {};
      }
    }
    ASSAY_RETURN_IF_ERROR(run_step(workspace, step, options, report));
  }
  if (gold_began.has_value()) {
    pace->note(*gold_began, clock.monotonic());
  }
  return {};
}

Status keep_tables(Workspace& workspace, RunReport* report, bool drops_days) {
  if (!drops_days) {
    return publish_plain_parquet(workspace);
  }
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
  if (options.side_by_side_rows.has_value() && workspace.project().has_lake) {
    return run_steps_side_by_side(workspace, options, report);
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
