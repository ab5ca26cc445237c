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
// midnights, one commit each; where windows reach back to more rows than memory is meant for,
// entities are taken in parts.

#include "flow/gold_stage.h"

#include <algorithm>
#include <utility>

#include "base/fail_point.h"
#include "catalog/table_schema.h"
#include "flow/gold_task.h"
#include "flow/retention.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

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
  bool takes_back = false;  // the source took rows back: final steps may be wrong until a backfill
  data::Account rows;
};

struct WrittenSteps {
  std::vector<lake::DataFile> files;
  int64_t steps = 0;
};

/// The steps of a part of the entities, as files of the table.
Status write_part(const GoldTask& task,
                  const CommitPlan& plan,
                  const EntityParts& parts,
                  int64_t part,
                  const RunOptions& options,
                  WrittenSteps* written) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch seed, parts.seed(part));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, parts.rows(part));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch steps,
                         task.view->steps(rows, seed, plan.begin, plan.end, options.threads));
  const SplitSteps split = split_steps(steps, plan.frontier);
  ASSAY_ASSIGN_OR_RETURN(const auto files, task.steps->write_files(split.final_steps));
  ASSAY_ASSIGN_OR_RETURN(const auto tail,
                         task.steps->write_files(split.tail, {{kTailTag, "true"}}));
  written->files.insert(written->files.end(), files.begin(), files.end());
  written->files.insert(written->files.end(), tail.begin(), tail.end());
  written->steps += steps.rows();
  return {};
}

Result<WrittenSteps> write_steps(Workspace& workspace,
                                 const GoldTask& task,
                                 const CommitPlan& plan,
                                 const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(
      EntityParts parts,
      EntityParts::open(workspace, task, plan.begin, plan.end, options.gold_part_rows));
  WrittenSteps written;
  for (int64_t part = 0; part < parts.count(); ++part) {
    if (parts.count() > 1) {
      options.say("gold " + task.view->name() + ": part " + std::to_string(part + 1) + " of " +
                  std::to_string(parts.count()));
    }
    ASSAY_RETURN_IF_ERROR(write_part(task, plan, parts, part, options, &written));
  }
  ASSAY_RETURN_IF_ERROR(parts.close());
  return written;
}

Result<int64_t> commit_chunk(Workspace& workspace,
                             const GoldTask& task,
                             const CommitPlan& plan,
                             const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const auto before, task.steps->snapshot());
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
  ASSAY_ASSIGN_OR_RETURN(WrittenSteps written, write_steps(workspace, task, plan, options));
  request.adds = std::move(written.files);
  request.txns.push_back(
      {task.frontier_app_id(), plan.frontier.micros, before->txn(task.frontier_app_id())});
  if (plan.begin == EventTime::min()) {  // made anew, of what the source still has
    ASSAY_ASSIGN_OR_RETURN(const EventTime whole, computable_from(workspace, task));
    const std::string id = task.app_id + "/answers_from";
    if (whole != EventTime::min()) {
      request.txns.push_back({id, whole.micros, before->txn(id)});
    }
  }
  if (plan.source_version.has_value()) {
    request.txns.push_back({task.app_id, *plan.source_version, before->txn(task.app_id)});
    const std::optional<int64_t> checked = before->txn(task.checked_app_id());
    if (checked == before->txn(task.app_id) && !plan.takes_back) {
      request.txns.push_back({task.checked_app_id(), *plan.source_version, checked});
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const lake::TxnUpdate fingerprint,
                         workspace.fingerprint_update(*task.steps));
  request.txns.push_back(fingerprint);
  fail_point("flow.gold.before_commit");
  ASSAY_RETURN_IF_ERROR(task.steps->commit(request).status());
  return written.steps;
}

/// New source rows: what the account calls in. Rows without an entity cannot have features, nor can
/// tombstones.
Result<data::Account> count_new_rows(Workspace& workspace,
                                     const GoldTask& task,
                                     const std::vector<lake::DataFile>& files) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  data::Account account;
  if (files.empty()) {
    return account;
  }
  std::string null_key;  // of a view without entity none is null
  for (const data::Field& key : task.view->keys()) {
    null_key +=
        (null_key.empty() ? "" : " OR ") + data::SqlEngine::identifier(key.name) + " IS NULL";
  }
  if (task.view->of_changes()) {
    null_key += (null_key.empty() ? "" : " OR ") + std::string(catalog::kIsDeleted);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, task.source->relation_of(*snapshot, files));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch counts,
                         workspace.sql().query("SELECT count(*) AS n, count(*) FILTER (WHERE " +
                                               (null_key.empty() ? "false" : null_key) +
                                               ") AS without FROM " + relation));
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
  ASSAY_ASSIGN_OR_RETURN(const GoldTask task, make_gold_task(workspace, view));
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
  ASSAY_ASSIGN_OR_RETURN(const SourceChanges changes, source_changes(task, done.value_or(-1)));
  ASSAY_ASSIGN_OR_RETURN(account.rows, count_new_rows(workspace, task, changes.added));
  ASSAY_RETURN_IF_ERROR(check_account(account));

  EventTime begin{snapshot->txn(task.frontier_app_id()).value_or(EventTime::min().micros)};
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<EventTime> ends,
      chunk_ends(workspace, task, begin, task.frontier, options.gold_chunk_rows));
  for (const EventTime end : ends) {
    options.say("gold " + view + ": steps up to " + format_time(end));
    ASSAY_ASSIGN_OR_RETURN(
        const int64_t steps,
        commit_chunk(workspace, task, {begin, end, end, std::nullopt, false, {}}, options));
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
  ASSAY_ASSIGN_OR_RETURN(const int64_t steps,
                         commit_chunk(workspace,
                                      task,
                                      {begin,
                                       EventTime::max(),
                                       frontier,
                                       task.source_version,
                                       !changes.removed.empty(),
                                       account.rows},
                                      options));
  account.steps += steps;
  account.commits += 1;
  if (!changes.removed.empty()) {
    // Final steps may have counted rows that are gone, and the tail goes on from them.
    const std::string next = "assay backfill " + view;
    workspace.world().log.warn("source_took_rows_back",
                               {{"view", view}, {"source", task.source_key}, {"next", next}});
    options.say("gold " + view + ": " + task.source_key +
                " took rows back; steps that counted them stay until `" + next + "`");
  }
  account.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return account;
}

Result<StepsRelation> steps_relation(Workspace& workspace,
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
    ASSAY_ASSIGN_OR_RETURN(const bool is_whole,
                           is_up_to(*source, snapshot->txn(app_id), source_snapshot->version));
    if (!is_whole) {
      return Status(Code::kFailedPrecondition,
                    key + " is not up to " + source_key +
                        (frontier == EventTime::min() ? "" : " after " + format_time(frontier)) +
                        "; `assay run` brings it there, or a running `assay up` when gold has its "
                        "turn");
    }
  }
  StepsRelation relation{key, snapshot->version, "", "", std::nullopt, nullptr};
  const std::string where = "known_time <= " + timestamp_literal(last);
  ASSAY_ASSIGN_OR_RETURN(relation.sql, table->relation(*snapshot, where));
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> ordered,
                         table->relation_in_order(*snapshot, where));
  std::vector<std::string> order;
  for (const data::Field& key_column : view.keys()) {
    order.push_back(key_column.name);
  }
  order.emplace_back(gold::kKnownTime);
  relation.ordered_sql =
      ordered.value_or("(FROM " + relation.sql + " ORDER BY " + column_list(order) + ")");
  ASSAY_ASSIGN_OR_RETURN(relation.files, table->files_in_order(*snapshot, where));
  std::vector<data::Field> stored = snapshot->schema->fields();
  std::erase_if(stored, [&](const data::Field& field) {
    return std::ranges::find(snapshot->partition_columns, field.name) !=
           snapshot->partition_columns.end();
  });
  relation.stored_schema = data::make_schema(std::move(stored));
  return relation;
}

Result<data::Batch> read_steps(Workspace& workspace,
                               const gold::FeatureView& view,
                               EventTime last) {
  ASSAY_ASSIGN_OR_RETURN(const StepsRelation relation, steps_relation(workspace, view, last));
  return workspace.sql().query("SELECT " + column_list(view.steps_schema()->names()) + " FROM " +
                               relation.sql);
}

}  // namespace assay::flow
