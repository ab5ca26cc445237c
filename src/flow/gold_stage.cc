// Gold in commits. With F the frontier of the last commit and F' the new one:
//
//   time   ---------- F ---------------------- F' ------------------>
//   table  final steps | ...... old tail (open steps) .............
//   after  final steps | new final steps       | new tail ..........
//
// The frontier is the source's watermark: rows that arrive later have event_time >= watermark, so
// they become visible at or after it and cannot change a step before it. Steps from F on are
// computed anew from the rows that can still matter (their windows reach back to F - longest window
// - slide) and from the last final step of each entity. A long history is cut into chunks at
// midnights, one commit each.

#include "flow/gold_stage.h"

#include <algorithm>

#include "base/fail_point.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

constexpr char kTailTag[] = "assay.tail";

/// What a gold commit is made from.
struct GoldTask {
  gold::FeatureViewPtr view;
  std::string source_key;
  lake::DeltaTable* source = nullptr;
  lake::DeltaTable* steps = nullptr;
  lake::Version source_version = -1;
  EventTime frontier;  // of the source's newest version
  std::string app_id;

  [[nodiscard]] std::string frontier_app_id() const { return app_id + "/frontier"; }
};

std::string timestamp_literal(EventTime time) {
  // Beyond the years that SQL can print, every row is on one side anyway.
  const EventTime clamped{std::clamp(time.micros, kFirstInstant.micros, kEndInstant.micros - 1)};
  return "TIMESTAMPTZ " + data::SqlEngine::literal(format_time(clamped));
}

EventTime back_by(EventTime time, Duration duration) {
  return time.micros < kFirstInstant.micros + duration.micros
             ? EventTime::min()
             : EventTime{time.micros - duration.micros};
}

Result<GoldTask> make_task(Workspace& workspace, const std::string& view_name) {
  GoldTask task;
  ASSAY_ASSIGN_OR_RETURN(task.view, workspace.view(view_name));
  const std::string& from = workspace.project().views.at(view_name).from;
  ASSAY_ASSIGN_OR_RETURN(task.source_key, workspace.source_table_key(from));
  ASSAY_ASSIGN_OR_RETURN(task.source, workspace.table(task.source_key));
  ASSAY_ASSIGN_OR_RETURN(const std::string steps_key, workspace.steps_table_key(*task.view));
  const lake::TableSpec spec{steps_key, task.view->steps_schema(), {gold::kFeatureDate}};
  ASSAY_ASSIGN_OR_RETURN(task.steps, workspace.open_or_create_table(steps_key, spec));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot());
  task.source_version = snapshot->version;
  task.app_id = workspace.app_id(steps_key);
  ASSAY_ASSIGN_OR_RETURN(task.frontier, workspace.frontier(from, *snapshot));
  return task;
}

/// The last final step of each entity before `begin`.
Result<data::Batch> read_seed(Workspace& workspace, const GoldTask& task, EventTime begin) {
  if (begin == EventTime::min()) {
    return data::Batch::empty(task.view->steps_schema());
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.steps->snapshot());
  ASSAY_ASSIGN_OR_RETURN(
      const std::string relation,
      task.steps->relation(*snapshot, "known_time < " + timestamp_literal(begin)));
  std::vector<std::string> keys;
  for (const data::Field& key : task.view->keys()) {
    keys.push_back(key.name);
  }
  return workspace.sql().query("SELECT " + column_list(task.view->steps_schema()->names()) +
                               " FROM " + relation + " QUALIFY row_number() OVER (PARTITION BY " +
                               column_list(keys) + " ORDER BY known_time DESC) = 1");
}

/// Source rows that can matter to steps in [begin, end).
Result<data::Batch> read_rows(Workspace& workspace,
                              const GoldTask& task,
                              EventTime begin,
                              EventTime end) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  std::string where;
  if (begin != EventTime::min()) {
    const EventTime reach =
        back_by(begin, {task.view->window_max().micros + task.view->slide().micros});
    where = "(event_time >= " + timestamp_literal(reach) +
            " OR known_time >= " + timestamp_literal(begin) + ")";
  }
  if (end != EventTime::max()) {
    where += std::string(where.empty() ? "" : " AND ") + "event_time < " + timestamp_literal(end);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, task.source->relation(*snapshot, where));
  return workspace.sql().query("SELECT " + column_list(task.view->source_columns()) + " FROM " +
                               relation);
}

/// Chunk ends after `begin`, at midnights, so that each chunk sees about `rows_max` rows of its
/// own.
Result<std::vector<EventTime>> chunk_ends(Workspace& workspace,
                                          const GoldTask& task,
                                          EventTime begin,
                                          int64_t rows_max) {
  std::vector<EventTime> ends;
  if (task.frontier == EventTime::min()) {
    return ends;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  if (snapshot->rows() <= rows_max) {
    return ends;
  }
  ASSAY_ASSIGN_OR_RETURN(
      const std::string relation,
      task.source->relation(*snapshot, "event_time >= " + timestamp_literal(begin)));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch days,
      workspace.sql().query("SELECT CAST(event_time AS DATE) AS day, count(*) AS n FROM " +
                            relation + " GROUP BY day ORDER BY day"));
  int64_t rows = 0;
  for (int64_t i = 0; i < days.rows(); ++i) {
    const EventTime day{days.column(0).values<int32_t>()[static_cast<std::size_t>(i)] *
                        kMicrosPerDay};
    const int64_t count = days.column(1).values<int64_t>()[static_cast<std::size_t>(i)];
    if (rows > 0 && rows + count > rows_max && begin < day && day < task.frontier) {
      ends.push_back(day);
      rows = 0;
    }
    rows += count;
  }
  return ends;
}

/// Rows of `steps` before and from `frontier`.
struct SplitSteps {
  data::Batch final_steps;
  data::Batch tail;
};

SplitSteps split_steps(const data::Batch& steps, EventTime frontier) {
  const std::span<const int64_t> known = steps.find(gold::kKnownTime)->values<int64_t>();
  std::vector<int64_t> before;
  std::vector<int64_t> after;
  for (std::size_t row = 0; row < known.size(); ++row) {
    (known[row] < frontier.micros ? before : after).push_back(static_cast<int64_t>(row));
  }
  return {steps.take(before), steps.take(after)};
}

struct CommitPlan {
  EventTime begin;                              // frontier so far
  EventTime end;                                // steps before it are written
  EventTime frontier;                           // steps before it are final
  std::optional<lake::Version> source_version;  // set by the last chunk
  data::Account rows;
};

Result<int64_t> commit_chunk(Workspace& workspace,
                             const GoldTask& task,
                             const CommitPlan& plan,
                             const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const auto before, task.steps->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const data::Batch seed, read_seed(workspace, task, plan.begin));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, read_rows(workspace, task, plan.begin, plan.end));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch steps,
                         task.view->steps(rows, seed, plan.begin, plan.end, options.threads));
  const SplitSteps split = split_steps(steps, plan.frontier);

  lake::CommitRequest request;
  request.operation = "WRITE";
  request.parameters = account_parameters(plan.rows);
  request.parameters["stage"] = "gold";
  request.parameters["frontier"] =
      plan.frontier == EventTime::min() ? "none" : format_time(plan.frontier);
  for (const auto& [path, file] : before->files) {
    if (file.tags.count(kTailTag) != 0) {
      request.removes.push_back(path);
    }
  }
  ASSAY_ASSIGN_OR_RETURN(request.adds, task.steps->write_files(split.final_steps));
  ASSAY_ASSIGN_OR_RETURN(const auto tail,
                         task.steps->write_files(split.tail, {{kTailTag, "true"}}));
  request.adds.insert(request.adds.end(), tail.begin(), tail.end());
  request.txns.push_back(
      {task.frontier_app_id(), plan.frontier.micros, before->txn(task.frontier_app_id())});
  if (plan.source_version.has_value()) {
    request.txns.push_back({task.app_id, *plan.source_version, before->txn(task.app_id)});
  }
  ASSAY_ASSIGN_OR_RETURN(const lake::TxnUpdate fingerprint,
                         workspace.fingerprint_update(*task.steps));
  request.txns.push_back(fingerprint);
  fail_point("flow.gold.before_commit");
  ASSAY_RETURN_IF_ERROR(task.steps->commit(request).status());
  return steps.rows();
}

/// New source rows: what the account calls in. Rows without an entity cannot have features.
Result<data::Account> count_new_rows(Workspace& workspace,
                                     const GoldTask& task,
                                     lake::Version after) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  ASSAY_ASSIGN_OR_RETURN(const auto added, task.source->added_between(after, task.source_version));
  std::vector<lake::DataFile> files;
  for (const lake::DeltaTable::AddedFile& file : added) {
    files.push_back(file.file);
  }
  data::Account account;
  if (files.empty()) {
    return account;
  }
  std::string null_key;
  for (const data::Field& key : task.view->keys()) {
    null_key +=
        (null_key.empty() ? "" : " OR ") + data::SqlEngine::identifier(key.name) + " IS NULL";
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, task.source->relation_of(*snapshot, files));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch counts,
                         workspace.sql().query("SELECT count(*) AS n, count(*) FILTER (WHERE " +
                                               null_key + ") AS without FROM " + relation));
  account.in = counts.column(0).values<int64_t>()[0];
  account.filtered = counts.column(1).values<int64_t>()[0];
  account.out = account.in - account.filtered;
  return account;
}

}  // namespace

Result<StageAccount> run_gold_stage(Workspace& workspace,
                                    const std::string& view,
                                    const RunOptions& options) {
  const Duration started = workspace.world().clock.monotonic();
  StageAccount account;
  account.stage = "gold";
  account.name = view;
  ASSAY_ASSIGN_OR_RETURN(const GoldTask task, make_task(workspace, view));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.steps->snapshot());
  const std::optional<int64_t> done = snapshot->txn(task.app_id);
  if (done == task.source_version) {
    return account;
  }
  if (done.value_or(-1) > task.source_version) {
    return Status(Code::kFailedPrecondition,
                  task.steps->key() + " was made from version " + std::to_string(*done) + " of " +
                      task.source_key + ", which stands at " + std::to_string(task.source_version) +
                      ": that table was made anew. Remove the folder of " + task.steps->key() +
                      " in the lake too; the next `assay run` makes it again");
  }
  ASSAY_ASSIGN_OR_RETURN(account.rows, count_new_rows(workspace, task, done.value_or(-1)));
  ASSAY_RETURN_IF_ERROR(check_account(account));

  EventTime begin{snapshot->txn(task.frontier_app_id()).value_or(EventTime::min().micros)};
  ASSAY_ASSIGN_OR_RETURN(const std::vector<EventTime> ends,
                         chunk_ends(workspace, task, begin, options.gold_chunk_rows));
  for (const EventTime end : ends) {
    options.say("gold " + view + ": steps up to " + format_time(end));
    ASSAY_ASSIGN_OR_RETURN(
        const int64_t steps,
        commit_chunk(workspace, task, {begin, end, end, std::nullopt, {}}, options));
    account.steps += steps;
    account.commits += 1;
    begin = end;
    if (options.stopping()) {
      return Status(Code::kCancelled,
                    "stopped after " + format_time(end) + " of gold " + view +
                        "; `assay run` goes on from there");
    }
  }
  const EventTime frontier = std::max(begin, task.frontier);
  ASSAY_ASSIGN_OR_RETURN(
      const int64_t steps,
      commit_chunk(workspace,
                   task,
                   {begin, EventTime::max(), frontier, task.source_version, account.rows},
                   options));
  account.steps += steps;
  account.commits += 1;
  account.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return account;
}

Result<data::Batch> read_steps(Workspace& workspace,
                               const gold::FeatureView& view,
                               EventTime last) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.steps_table_key(view));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  // Steps before the frontier are final whatever the table has not seen yet; from it on they are
  // the answer only when the table is up to its source.
  const std::string app_id = workspace.app_id(key);
  const EventTime frontier{snapshot->txn(app_id + "/frontier").value_or(EventTime::min().micros)};
  if (last >= frontier) {
    ASSAY_ASSIGN_OR_RETURN(
        const std::string source_key,
        workspace.source_table_key(workspace.project().views.at(view.name()).from));
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * source, workspace.table(source_key));
    ASSAY_ASSIGN_OR_RETURN(const auto source_snapshot, source->snapshot());
    if (snapshot->txn(app_id) != source_snapshot->version) {
      return Status(Code::kFailedPrecondition,
                    key + " is not up to " + source_key +
                        (frontier == EventTime::min() ? "" : " after " + format_time(frontier)) +
                        "; `assay run` brings it there");
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                         table->relation(*snapshot, "known_time <= " + timestamp_literal(last)));
  return workspace.sql().query("SELECT " + column_list(view.steps_schema()->names()) + " FROM " +
                               relation);
}

}  // namespace assay::flow
