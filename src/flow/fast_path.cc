#include "flow/fast_path.h"

#include <algorithm>

#include "base/fail_point.h"
#include "catalog/table_schema.h"
#include "flow/gold_task.h"
#include "flow/online_stage.h"
#include "flow/part_position.h"

namespace assay::flow {
namespace {

bool has_unique(const std::vector<catalog::CheckDef>& checks) {
  return std::any_of(checks.begin(), checks.end(), [](const catalog::CheckDef& check) {
    return check.kind == catalog::CheckKind::kUnique;
  });
}

/// The bronze table that a view's rows come from, by way of a silver table or not.
const catalog::BronzeDef& bronze_of(const catalog::Project& project, const std::string& view) {
  const std::string& from = project.views.at(view).from;
  const auto silver = project.silver.find(from);
  return project.bronze.at(silver == project.silver.end() ? from : silver->second.from);
}

}  // namespace

bool reads_topics(const catalog::Project& project, const std::string& view) {
  return project.sources.at(bronze_of(project, view).source).kafka.has_value();
}

std::string why_not_fast(const catalog::Project& project, const std::string& view) {
  const std::string& from = project.views.at(view).from;
  const auto silver = project.silver.find(from);
  const catalog::BronzeDef& definition = bronze_of(project, view);
  const std::string& bronze = definition.name;
  if (!reads_topics(project, view)) {
    return "source `" + definition.source + "` is no topic";
  }
  if (definition.of_changes) {
    return "bronze." + bronze + " is a table of changes: a row may replace one that was applied";
  }
  if (has_unique(definition.checks)) {
    return "bronze." + bronze + " has a check `unique`, which speaks of the rows of one run";
  }
  if (silver == project.silver.end()) {
    return "";
  }
  if (!silver->second.enrich.empty()) {
    return "silver." + from + " is enriched by a table that changes only with the lake";
  }
  if (has_unique(silver->second.checks)) {
    return "silver." + from + " has a check `unique`, which speaks of all rows of a commit";
  }
  return "";
}

Result<std::unique_ptr<FastPath>> FastPath::open(Workspace& workspace, const std::string& bronze) {
  std::unique_ptr<FastPath> path(new FastPath(workspace, bronze));
  const catalog::Project& project = workspace.project();
  for (const auto& [name, definition] : project.views) {
    const bool is_silver = project.silver.count(definition.from) != 0;
    if (bronze_of(project, name).name != bronze || !why_not_fast(project, name).empty()) {
      continue;
    }
    auto branch = std::find_if(path->branches_.begin(),
                               path->branches_.end(),
                               [&](const Branch& one) { return one.table == definition.from; });
    if (branch == path->branches_.end()) {
      branch = path->branches_.insert(branch, Branch{definition.from, nullptr, {}, {}});
      if (is_silver) {
        ASSAY_ASSIGN_OR_RETURN(branch->operation, workspace.silver_operator(definition.from));
      }
    }
    View view;
    ASSAY_ASSIGN_OR_RETURN(view.compiled, workspace.view(name));
    branch->views.push_back(std::move(view));
  }
  return path;
}

int64_t FastPath::views() const {
  int64_t count = 0;
  for (const Branch& branch : branches_) {
    count += std::count_if(
        branch.views.begin(), branch.views.end(), [](const View& view) { return view.takes_part; });
  }
  return count;
}

Status FastPath::begin_epoch() {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.bronze_table_key(bronze_));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace_.table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  const std::optional<int64_t> micros = snapshot->txn(low_time_app_id(workspace_.app_id(key)));
  for (Branch& branch : branches_) {
    ASSAY_RETURN_IF_ERROR(begin_branch(
        micros.has_value() ? std::optional(EventTime{*micros}) : std::nullopt, &branch));
  }
  return {};
}

Status FastPath::begin_branch(std::optional<EventTime> low_time, Branch* branch) {
  branch->state = {};
  branch->state.newest = low_time;
  branch->state.moves_newest = false;
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.source_table_key(branch->table));
  const Result<lake::DeltaTable*> table = workspace_.table(key);
  for (View& view : branch->views) {
    view.takes_part = false;
    if (table.code() != Code::kNotFound) {
      ASSAY_RETURN_IF_ERROR(table.status());
      ASSAY_RETURN_IF_ERROR(place_view(*branch, **table, &view));
    }
  }
  return {};
}

namespace {

/// Whether a view that stands there has what its table has, and nothing of an epoch that the table
/// has since.
Result<bool> may_be_ahead(Workspace& workspace, lake::DeltaTable& table, const OnlinePosition& at) {
  ASSAY_ASSIGN_OR_RETURN(const auto newest, table.snapshot());
  if (at.table_number != table_number(table.key()) || at.pieces_left > 0 ||
      at.version > newest->version) {
    return false;
  }
  if (at.version == newest->version) {
    return true;
  }
  ASSAY_ASSIGN_OR_RETURN(const CaughtUp lake, caught_up(workspace, table, at));
  return lake.state == CaughtUp::State::kNotYet ? is_up_to(table, at.version, newest->version)
                                                : Result<bool>(false);
}

}  // namespace

Status FastPath::place_view(const Branch& branch, lake::DeltaTable& table, View* view) {
  view->takes_part = false;
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view->compiled);
  if (applied.code() == Code::kFailedPrecondition || (applied.ok() && !applied->has_value())) {
    return {};  // nothing yet, or of an earlier definition: the stages begin it
  }
  ASSAY_RETURN_IF_ERROR(applied.status());
  view->position = (*applied)->position;
  const OnlinePosition at = OnlinePosition::decode(view->position);
  ASSAY_ASSIGN_OR_RETURN(view->takes_part, may_be_ahead(workspace_, table, at));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  ASSAY_ASSIGN_OR_RETURN(view->until, workspace_.frontier(branch.table, *snapshot));
  if (at.reads > 0 && !view->takes_part) {  // the table was changed beside the epoch
    workspace_.world().log.warn("online_rows_made_anew", {{"view", view->compiled->name()}});
    return store->drop(view->compiled->storage_name());
  }
  return {};
}

Status FastPath::note_stages() {
  for (Branch& branch : branches_) {
    for (View& view : branch.views) {
      if (view.takes_part) {
        ASSAY_RETURN_IF_ERROR(note_stages_of(branch, &view));
      }
    }
  }
  return {};
}

Status FastPath::note_stages_of(const Branch& branch, View* view) {
  if (OnlinePosition::decode(view->position).reads == 0) {
    // Reads gave it no rows so far: wherever it stands, it has those of the epoch that it must.
    ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.source_table_key(branch.table));
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace_.table(key));
    return place_view(branch, *table, view);
  }
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  ASSAY_ASSIGN_OR_RETURN(const auto applied, store->applied_to(*view->compiled));
  // One that was made anew has no reads of this epoch, so it gets none of the others.
  view->takes_part = applied.has_value() && applied->position == view->position;
  return {};
}

Status FastPath::drop_views_ahead(int64_t reads) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  for (Branch& branch : branches_) {
    for (View& view : branch.views) {
      const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view.compiled);
      if (applied.ok() && applied->has_value() &&
          OnlinePosition::decode((*applied)->position).reads > reads) {
        workspace_.world().log.warn("online_rows_made_anew", {{"view", view.compiled->name()}});
        ASSAY_RETURN_IF_ERROR(store->drop(view.compiled->storage_name()));
        view.takes_part = false;
      }
    }
  }
  return {};
}

Status FastPath::end_epoch(int64_t reads) {
  for (Branch& branch : branches_) {
    for (View& view : branch.views) {
      // One without reads follows the lake, which has no row of this epoch for it.
      if (view.takes_part && OnlinePosition::decode(view.position).reads > 0) {
        ASSAY_ASSIGN_OR_RETURN(const data::Batch nothing, no_rows(workspace_, *view.compiled));
        ASSAY_RETURN_IF_ERROR(apply_to(nothing, reads, &view));
      }
    }
  }
  return {};
}

Status FastPath::apply(const data::Batch& rows, int64_t read) {
  if (rows.rows() == 0) {
    return {};
  }
  for (Branch& branch : branches_) {
    const bool is_any = std::any_of(
        branch.views.begin(), branch.views.end(), [](const View& view) { return view.takes_part; });
    if (is_any) {
      ASSAY_RETURN_IF_ERROR(apply_branch(rows, read, &branch));
    }
  }
  return {};
}

Status FastPath::apply_branch(const data::Batch& rows, int64_t read, Branch* branch) {
  data::Batch made = rows;
  if (branch->operation != nullptr) {
    // What is refused or late goes to its table when the lake has the epoch.
    ASSAY_ASSIGN_OR_RETURN(silver::SilverOutput output,
                           branch->operation->process(rows, {}, std::move(branch->state)));
    branch->state = std::move(output.state);
    made = std::move(output.rows);
  }
  if (made.rows() == 0) {
    return {};
  }
  for (View& view : branch->views) {
    if (view.takes_part) {
      ASSAY_ASSIGN_OR_RETURN(const data::Batch selected,
                             made.select(view.compiled->source_columns()));
      ASSAY_RETURN_IF_ERROR(apply_to(selected, read, &view));
    }
  }
  return {};
}

Status FastPath::apply_to(const data::Batch& rows, int64_t read, View* view) {
  OnlinePosition at = OnlinePosition::decode(view->position);
  if (at.reads >= read) {
    return {};  // a read that is made again
  }
  at.reads = read;
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  fail_point("flow.online.before_apply");
  ASSAY_RETURN_IF_ERROR(
      store->apply(*view->compiled, rows, view->position, at.encode(), view->until));
  view->position = at.encode();
  note_freshness(workspace_.world(), view->compiled->name(), rows);
  return {};
}

}  // namespace assay::flow
