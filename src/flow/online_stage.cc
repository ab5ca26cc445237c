#include "flow/online_stage.h"

#include <algorithm>
#include <charconv>

#include "base/fail_point.h"
#include "flow/online_changes.h"
#include "flow/versions.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

/// Source versions (after, last] that are applied together: about `rows_max` rows.
struct VersionGroup {
  lake::Version last = -1;
  std::vector<lake::DataFile> files;
  std::vector<lake::FileChange> taken_back;  // all changes, when there are removals among them
};

std::vector<VersionGroup> group_versions(const std::vector<lake::DeltaTable::AddedFile>& added,
                                         lake::Version newest,
                                         int64_t rows_max) {
  std::vector<VersionGroup> groups;
  int64_t rows = 0;
  for (const lake::DeltaTable::AddedFile& file : added) {
    const bool next_version = !groups.empty() && groups.back().last != file.version;
    if (groups.empty() || (next_version && rows >= rows_max)) {
      groups.emplace_back();
      rows = 0;
    }
    groups.back().last = file.version;
    groups.back().files.push_back(file.file);
    rows += std::max<int64_t>(file.file.rows, 0);
  }
  // Versions without rows count as applied too.
  if (groups.empty()) {
    groups.emplace_back();
  }
  groups.back().last = newest;
  return groups;
}

/// The versions behind `done`. When rows were taken back among them, they are all one group.
Result<std::vector<VersionGroup>> versions_after(lake::DeltaTable& source,
                                                 lake::Version done,
                                                 lake::Version newest,
                                                 int64_t rows_max) {
  if (done >= 0) {
    GoldTask task;
    task.source = &source;
    task.source_version = newest;
    ASSAY_ASSIGN_OR_RETURN(SourceChanges changes, source_changes(task, done));
    if (!changes.removed.empty()) {
      return std::vector<VersionGroup>{{newest, {}, std::move(changes.files)}};
    }
  }
  const Result<std::vector<lake::DeltaTable::AddedFile>> added = source.added_between(done, newest);
  if (done >= 0) {
    ASSAY_RETURN_IF_ERROR(added.status());
    return group_versions(*added, newest, rows_max);
  }
  // From the beginning on: what the table holds now counts, where it has not only grown.
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, source.snapshot(newest));
  const bool has_grown_only =
      added.ok() && std::all_of(added->begin(), added->end(), [&](const auto& one) {
        return snapshot->files.contains(one.file.path);
      });
  if (has_grown_only) {
    return group_versions(*added, newest, rows_max);
  }
  VersionGroup whole;
  whole.last = newest;
  for (const auto& [path, file] : snapshot->files) {
    whole.files.push_back(file);
  }
  return std::vector<VersionGroup>{std::move(whole)};
}

int64_t rows_without_entity(const gold::FeatureView& view, const data::Batch& rows) {
  std::vector<const data::Column*> keys;
  for (const data::Field& key : view.keys()) {
    keys.push_back(rows.find(key.name));
  }
  int64_t count = 0;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    count +=
        std::any_of(
            keys.begin(), keys.end(), [&](const data::Column* key) { return key->is_null(row); })
            ? 1
            : 0;
  }
  return count;
}

/// What a group changes online.
Result<OnlineChanges> read_group(Workspace& workspace,
                                 lake::DeltaTable& source,
                                 const lake::Snapshot& snapshot,
                                 const VersionGroup& group,
                                 const gold::FeatureView& view) {
  if (!group.taken_back.empty()) {
    return online_taken_back(workspace, view, source, snapshot, group.taken_back);
  }
  OnlineChanges changes;
  if (group.files.empty()) {
    const std::string& from = workspace.project().views.at(view.name()).from;
    ASSAY_ASSIGN_OR_RETURN(const data::SchemaPtr schema, workspace.source_schema(from));
    ASSAY_ASSIGN_OR_RETURN(changes.rows,
                           data::Batch::empty(data::make_schema(visible_schema(*schema).fields()))
                               .select(view.source_columns()));
    return changes;
  }
  if (view.of_changes()) {
    return online_versions(workspace, view, source, snapshot, group.files);
  }
  const std::string columns = column_list(view.source_columns());
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source.relation_of(snapshot, group.files));
  ASSAY_ASSIGN_OR_RETURN(
      changes.rows,
      workspace.sql().query("SELECT " + columns + " FROM " + relation + " ORDER BY sequence"));
  changes.account.in = changes.rows.rows();
  changes.account.filtered = rows_without_entity(view, changes.rows);
  changes.account.out = changes.account.in - changes.account.filtered;
  return changes;
}

}  // namespace

int64_t table_number(const std::string& table_key) {
  const std::size_t suffix = table_key.rfind("_v");
  int64_t number = 1;
  if (suffix != std::string::npos) {
    const char* end = table_key.data() + table_key.size();
    int64_t parsed = 0;
    const auto [rest, error] = std::from_chars(table_key.data() + suffix + 2, end, parsed);
    number = error == std::errc() && rest == end ? parsed : 1;
  }
  return number;
}

Result<StageAccount> run_online_stage(Workspace& workspace,
                                      const std::string& view_name,
                                      const RunOptions& options) {
  const Duration started = workspace.world().clock.monotonic();
  StageAccount account;
  account.stage = "online";
  account.name = view_name;
  ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(view_name));
  const std::string& from = workspace.project().views.at(view_name).from;
  ASSAY_ASSIGN_OR_RETURN(const std::string source_key, workspace.source_table_key(from));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * source, workspace.table(source_key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, source->snapshot());
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(false));

  const int64_t source_number = table_number(source_key);
  Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view);
  bool of_another = applied.code() == Code::kFailedPrecondition;
  if (applied.ok() && applied->has_value()) {
    const OnlinePosition at = OnlinePosition::decode((*applied)->position);
    of_another = at.table_number != source_number || at.version > snapshot->version;
  }
  if (of_another) {
    // Rows of a table that is gone: they are made again from the source table.
    ASSAY_RETURN_IF_ERROR(store->drop(view->storage_name()));
    applied = store->applied_to(*view);
  }
  ASSAY_RETURN_IF_ERROR(applied.status());
  std::optional<int64_t> position;
  lake::Version done = -1;
  if (applied->has_value()) {
    position = (*applied)->position;
    done = OnlinePosition::decode(*position).version;
  }
  if (done == snapshot->version) {
    return account;
  }
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<VersionGroup> groups,
      versions_after(*source, done, snapshot->version, options.online_batch_rows));
  for (const VersionGroup& group : groups) {
    // The watermark as it stood after this group: rows of later groups become visible from it on.
    ASSAY_ASSIGN_OR_RETURN(const auto group_snapshot, source->snapshot(group.last));
    ASSAY_ASSIGN_OR_RETURN(const EventTime applied_until,
                           workspace.frontier(from, *group_snapshot));
    ASSAY_ASSIGN_OR_RETURN(const OnlineChanges changes,
                           read_group(workspace, *source, *group_snapshot, group, *view));
    const int64_t next = OnlinePosition{source_number, group.last}.encode();
    fail_point("flow.online.before_apply");
    ASSAY_RETURN_IF_ERROR(
        store->apply(*view, changes.rows, position, next, applied_until, changes.anew));
    position = next;
    account.rows += changes.account;
    account.commits += 1;
    ASSAY_RETURN_IF_ERROR(check_account(account));
    if (options.stopping()) {
      return Status(Code::kCancelled,
                    "stopped after version " + std::to_string(group.last) + " of " + source_key +
                        "; `assay run` goes on from there");
    }
  }
  account.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return account;
}

}  // namespace assay::flow
