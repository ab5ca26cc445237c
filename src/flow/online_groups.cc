#include "flow/online_groups.h"

#include <algorithm>
#include <string>

#include "flow/gold_task.h"
#include "flow/online_stage.h"
#include "flow/versions.h"

namespace assay::flow {
namespace {

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

Result<bool> has_file(Workspace& workspace,
                      const lake::DeltaTable& source,
                      const std::string& path,
                      const lake::Snapshot& newest) {
  if (newest.files.contains(path)) {
    return true;
  }
  const Result<store::ObjectInfo> found = workspace.store().stat(source.key() + "/" + path);
  if (found.code() == Code::kNotFound) {
    return false;
  }
  ASSAY_RETURN_IF_ERROR(found.status());
  return true;
}

}  // namespace

int64_t rows_of(const VersionGroup& group) {
  int64_t rows = 0;
  for (const lake::DataFile& file : group.files) {
    rows += std::max<int64_t>(file.rows, 0);
  }
  return rows;
}

Result<std::vector<VersionGroup>> versions_after(lake::DeltaTable& source,
                                                 lake::Version done,
                                                 lake::Version newest,
                                                 int64_t rows_max) {
  GoldTask task;
  task.source = &source;
  task.source_version = newest;
  ASSAY_ASSIGN_OR_RETURN(SourceChanges changes, source_changes(task, done));
  if (!changes.removed.empty()) {
    return std::vector<VersionGroup>{{newest, {}, std::move(changes.files)}};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::DeltaTable::AddedFile> added,
                         source.added_between(done, newest));
  return group_versions(added, newest, rows_max);
}

Result<std::vector<VersionGroup>> versions_from_the_beginning(lake::DeltaTable& source,
                                                              const lake::Snapshot& newest,
                                                              int64_t rows_max) {
  const Result<std::vector<lake::DeltaTable::AddedFile>> added =
      source.added_between(-1, newest.version);
  const bool has_grown_only =
      added.ok() && std::all_of(added->begin(), added->end(), [&](const auto& one) {
        return newest.files.contains(one.file.path);
      });
  return has_grown_only ? group_versions(*added, newest.version, rows_max)
                        : std::vector<VersionGroup>();
}

Result<std::shared_ptr<const lake::Snapshot>> version_if_any(lake::DeltaTable& table,
                                                             lake::Version version) {
  Result<std::shared_ptr<const lake::Snapshot>> snapshot = table.snapshot(version);
  const bool is_gone = snapshot.code() == Code::kNotFound || snapshot.code() == Code::kOutOfRange;
  return is_gone ? std::shared_ptr<const lake::Snapshot>() : std::move(snapshot);
}

Result<bool> has_all_files(Workspace& workspace,
                           const lake::DeltaTable& source,
                           const lake::Snapshot& snapshot,
                           const lake::Snapshot& newest) {
  bool has_all = true;
  for (auto file = snapshot.files.begin(); has_all && file != snapshot.files.end(); ++file) {
    ASSAY_ASSIGN_OR_RETURN(has_all, has_file(workspace, source, file->first, newest));
  }
  return has_all;
}

Result<bool> can_be_followed(Workspace& workspace,
                             lake::DeltaTable& source,
                             lake::Version done,
                             const lake::Snapshot& newest) {
  GoldTask task;
  task.source = &source;
  task.source_version = newest.version;
  const Result<SourceChanges> changes = source_changes(task, done);
  if (changes.code() == Code::kOutOfRange) {
    return false;
  }
  ASSAY_RETURN_IF_ERROR(changes.status());
  bool has_all = true;
  for (auto change = changes->files.begin(); has_all && change != changes->files.end(); ++change) {
    ASSAY_ASSIGN_OR_RETURN(has_all, has_file(workspace, source, change->file.path, newest));
  }
  return has_all;
}

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
    ASSAY_ASSIGN_OR_RETURN(changes.rows, no_rows(workspace, view));
    return changes;
  }
  if (view.of_changes()) {
    return online_versions(workspace, view, source, snapshot, group.files);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source.relation_of(snapshot, group.files));
  ASSAY_ASSIGN_OR_RETURN(changes.rows,
                         workspace.sql().query(select_online_rows(workspace, view, relation, "")));
  changes.account.in = changes.rows.rows();
  changes.account.filtered = rows_without_entity(view, changes.rows);
  changes.account.out = changes.account.in - changes.account.filtered;
  return changes;
}

}  // namespace assay::flow
