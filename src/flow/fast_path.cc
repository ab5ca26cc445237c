#include "flow/fast_path.h"

#include <algorithm>
#include <utility>

#include "base/fail_point.h"
#include "flow/run.h"
#include "flow/silver_stage.h"

namespace assay::flow {
namespace {

/// A view that is further from its table's reads waits for the lake.
constexpr int64_t kReadsAheadMax = OnlinePosition::kReadsMax / 2;

bool has_unique(const std::vector<catalog::CheckDef>& checks) {
  return std::any_of(checks.begin(), checks.end(), [](const catalog::CheckDef& check) {
    return check.kind == catalog::CheckKind::kUnique;
  });
}

}  // namespace

const catalog::BronzeDef& bronze_of_view(const catalog::Project& project, const std::string& view) {
  const std::string& from = project.views.at(view).from;
  const auto silver = project.silver.find(from);
  return project.bronze.at(silver == project.silver.end() ? from : silver->second.from);
}

bool reads_topics(const catalog::Project& project, const std::string& view) {
  return project.sources.at(bronze_of_view(project, view).source).kafka.has_value();
}

std::string why_not_fast(const catalog::Project& project, const std::string& view) {
  const std::string& from = project.views.at(view).from;
  const auto silver = project.silver.find(from);
  const catalog::BronzeDef& definition = bronze_of_view(project, view);
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
    if (bronze_of_view(project, name).name != bronze || !why_not_fast(project, name).empty()) {
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
  return static_cast<int64_t>(taking_part().size());
}

std::set<std::string> FastPath::taking_part() const {
  std::set<std::string> names;
  for (const Branch& branch : branches_) {
    for (const View& view : branch.views) {
      if (view.takes_part) {
        names.insert(view.compiled->name());
      }
    }
  }
  return names;
}

bool FastPath::has_view_to_join() const {
  return std::any_of(branches_.begin(), branches_.end(), [](const Branch& branch) {
    return std::any_of(branch.views.begin(), branch.views.end(), [](const View& view) {
      return !view.takes_part && !view.is_too_far;
    });
  });
}

bool FastPath::have_all_a_place() const {
  return std::all_of(branches_.begin(), branches_.end(), [](const Branch& branch) {
    return std::all_of(
        branch.views.begin(), branch.views.end(), [](const View& view) { return view.takes_part; });
  });
}

std::vector<std::string> FastPath::take_dropped() {
  return std::exchange(dropped_, {});
}

Result<bool> FastPath::judge_behind_table() {
  bool is_known = true;
  for (Branch& branch : branches_) {
    branch.state = {};
    if (branch.operation != nullptr) {
      ASSAY_ASSIGN_OR_RETURN(branch.state.parts, part_times_behind(workspace_, branch.table));
      is_known = is_known && branch.state.parts.has_value();
    }
  }
  return is_known;
}

void FastPath::judge_behind(const silver::PartFacts& facts) {
  for (Branch& branch : branches_) {
    if (branch.state.parts.has_value()) {
      silver::end_commit(facts, idle_timeout_, &*branch.state.parts);
    }
  }
}

Result<std::map<std::string, silver::PartTimes>> FastPath::part_times() const {
  std::map<std::string, silver::PartTimes> times;
  for (const Branch& branch : branches_) {
    if (branch.state.parts.has_value()) {
      ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.silver_table_key(branch.table));
      times[workspace_.app_id(key)] = *branch.state.parts;
    }
  }
  return times;
}

/// The table of a branch; none as long as nothing was written to it.
Result<lake::DeltaTable*> FastPath::table_of(const Branch& branch) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.source_table_key(branch.table));
  Result<lake::DeltaTable*> table = workspace_.table(key);
  return table.code() == Code::kNotFound ? Result<lake::DeltaTable*>(nullptr) : std::move(table);
}

Status FastPath::place(const Reads& reads) {
  for (Branch& branch : branches_) {
    for (View& view : branch.views) {
      ASSAY_RETURN_IF_ERROR(place_view(branch, reads, &view));
    }
  }
  return {};
}

Status FastPath::place_view(const Branch& branch, const Reads& reads, View* view) {
  view->takes_part = false;
  view->is_too_far = false;
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, table_of(branch));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view->compiled);
  const bool is_none =
      applied.code() == Code::kFailedPrecondition || (applied.ok() && !applied->has_value());
  if (table == nullptr || is_none) {
    return {};  // nothing yet, or of an earlier definition: the stages begin it
  }
  ASSAY_RETURN_IF_ERROR(applied.status());
  view->position = (*applied)->position;
  ASSAY_RETURN_IF_ERROR(follow(branch, *table, view));
  const int64_t ahead = OnlinePosition::decode(view->position).reads;
  const int64_t known = reads.in_lake + reads.in_journals;
  if (view->takes_part && ahead > 0 && (reads.in_journals == 0 || view->begin + ahead > known)) {
    return drop(view);
  }
  view->is_too_far = known - view->begin > kReadsAheadMax;
  // Before the journals' reads its table lacks others, which the stages bring: they would be passed
  // over.
  const bool lacks_reads = reads.in_journals > 0 && ahead == 0 && view->begin < reads.in_lake;
  view->takes_part = view->takes_part && !view->is_too_far && !lacks_reads;
  return {};
}

/// Move a view to where the lake is by now. It takes part when it then has all that its table has.
Status FastPath::follow(const Branch& branch, lake::DeltaTable& table, View* view) {
  view->takes_part = false;
  const OnlinePosition at = OnlinePosition::decode(view->position);
  ASSAY_ASSIGN_OR_RETURN(const auto newest, table.snapshot());
  const bool is_of_table = at.table_number == table_number(table.key()) && at.pieces_left == 0 &&
                           at.version <= newest->version;
  if (is_of_table && !workspace_.project().has_lake) {
    // No table has rows that could be missed: what counts is how many reads there were.
    ASSAY_ASSIGN_OR_RETURN(const bool has_all, has_reads_of(workspace_, table, view->position));
    if (!has_all) {
      return drop(view);
    }
  }
  std::optional<OnlinePosition> now;
  if (is_of_table) {
    ASSAY_ASSIGN_OR_RETURN(now, caught_up(workspace_, table, at));
  }
  if (!now) {  // the table was changed beside the epoch
    return at.reads > 0 ? drop(view) : Status();
  }
  if (now->reads == 0 && now->version < newest->version) {
    return {};  // rows are missing, which the stages bring
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot(now->version));
  ASSAY_ASSIGN_OR_RETURN(view->until, workspace_.frontier(branch.table, *snapshot));
  ASSAY_ASSIGN_OR_RETURN(const auto begin, reads_of(workspace_, table, now->version));
  view->begin = begin.value_or(0);
  if (now->version != at.version) {
    ASSAY_ASSIGN_OR_RETURN(const data::Batch nothing, no_rows(workspace_, *view->compiled));
    ASSAY_RETURN_IF_ERROR(write(nothing, *now, view));
  }
  view->takes_part = true;
  return {};
}

Status FastPath::drop(View* view) {
  view->takes_part = false;
  workspace_.world().log.warn("online_rows_made_anew", {{"view", view->compiled->name()}});
  dropped_.push_back(view->compiled->name());
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  return store->drop(view->compiled->storage_name());
}

Status FastPath::follow_lake() {
  for (Branch& branch : branches_) {
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, table_of(branch));
    for (View& view : branch.views) {
      if (view.takes_part) {
        ASSAY_RETURN_IF_ERROR(follow(branch, *table, &view));
      }
    }
  }
  return {};
}

Status FastPath::drop_views_ahead() {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  for (Branch& branch : branches_) {
    for (View& view : branch.views) {
      const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view.compiled);
      if (applied.code() == Code::kFailedPrecondition) {
        continue;  // of an earlier definition
      }
      ASSAY_RETURN_IF_ERROR(applied.status());
      if (applied->has_value() && OnlinePosition::decode((*applied)->position).reads > 0) {
        ASSAY_RETURN_IF_ERROR(drop(&view));
      }
    }
  }
  return {};
}

Status FastPath::end_epoch(int64_t read) {
  for (Branch& branch : branches_) {
    for (View& view : branch.views) {
      // One without reads follows the lake, which has no row of this epoch for it. Where there is
      // none, its position says that it has them all.
      const bool is_ahead = OnlinePosition::decode(view.position).reads > 0;
      if (view.takes_part && (is_ahead || !workspace_.project().has_lake)) {
        ASSAY_ASSIGN_OR_RETURN(const data::Batch nothing, no_rows(workspace_, *view.compiled));
        ASSAY_RETURN_IF_ERROR(apply_to(nothing, read, &view));
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
    if (!workspace_.project().has_lake) {  // nobody else makes these rows again
      ASSAY_RETURN_IF_ERROR(account("silver", branch->table, output.account));
    }
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
  if (view->begin + at.reads >= read) {
    return {};  // a read that is made again
  }
  at.reads = read - view->begin;
  if (at.reads > OnlinePosition::kReadsMax) {  // opened again, it waits for the lake
    return {Code::kUnavailable,
            "view " + view->compiled->name() + " is further from its table than can be counted"};
  }
  ASSAY_RETURN_IF_ERROR(write(rows, at, view));
  note_freshness(workspace_.world(), view->compiled->name(), rows);
  return rows.rows() == 0 ? Status()
                          : account("online",
                                    view->compiled->name(),
                                    {.in = rows.rows(), .out = rows.rows()});
}

Status FastPath::account(std::string stage, std::string name, const data::Account& rows) {
  StageAccount account;
  account.stage = std::move(stage);
  account.name = std::move(name);
  account.rows = rows;
  account.commits = 1;
  ASSAY_RETURN_IF_ERROR(check_account(account));
  count_rows(workspace_.world().metrics, account);
  merge_account(std::move(account), &accounts_);
  return {};
}

/// Rows and position in one transaction.
Status FastPath::write(const data::Batch& rows, const OnlinePosition& at, View* view) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  fail_point("flow.online.before_apply");
  const Status applied =
      store->apply(*view->compiled, rows, view->position, at.encode(), view->until);
  if (applied.code() == Code::kFailedPrecondition) {
    // Another position than it had: the store lost its last transactions.
    return {Code::kUnavailable,
            "view " + view->compiled->name() + " is not where it was: " + applied.message()};
  }
  ASSAY_RETURN_IF_ERROR(applied);
  view->position = at.encode();
  return {};
}

}  // namespace assay::flow
