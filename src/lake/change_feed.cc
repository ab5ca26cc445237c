#include "lake/change_feed.h"

#include <algorithm>
#include <map>

#include "lake/deletion_vector.h"
#include "lake/retention.h"

// A file that one commit removes and adds again, under another deletion vector, has changed by the
// rows that only one of the two vectors deletes. All else is whole files.

namespace assay::lake {
namespace {

/// Does this removal say too little to read what it removed?
bool needs_state(const RemoveAction& remove, const TableState& newest) {
  return remove.data_change && remove.partition_values.empty() &&
         !newest.snapshot.partition_columns.empty();
}

DataFile file_of(const RemoveAction& remove) {
  DataFile file;
  file.path = remove.path;
  file.partition_values = remove.partition_values;
  file.size_bytes = std::max<int64_t>(remove.size_bytes, 0);
  file.deletion_vector = remove.deletion_vector;
  return file;
}

/// The two sides of a file that stays under another deletion vector.
void append_vector_change(Version version,
                          const DataFile& before,
                          const DataFile& after,
                          std::vector<FileChange>& changes) {
  if (deletion_vector_id(before.deletion_vector) == deletion_vector_id(after.deletion_vector)) {
    return;
  }
  DataFile file = after;
  if (after.deletion_vector) {
    file.deletion_vector = before.deletion_vector;
    changes.push_back({version, false, file, after.deletion_vector});
  }
  if (before.deletion_vector) {
    file.deletion_vector = after.deletion_vector;
    changes.push_back({version, true, file, before.deletion_vector});
  }
}

void append_changes(Version version,
                    const LogEntry& entry,
                    const TableState* before,
                    std::vector<FileChange>& changes) {
  std::map<std::string, const AddAction*> adds;
  for (const AddAction& add : entry.adds) {
    adds[add.file.path] = &add;
  }
  for (const RemoveAction& remove : entry.removes) {
    const auto known = before == nullptr ? nullptr : before->snapshot.files.get(remove.path);
    const DataFile removed = known != nullptr ? *known : file_of(remove);
    const auto added = adds.find(remove.path);
    if (added != adds.end()) {
      if (added->second->data_change) {
        append_vector_change(version, removed, added->second->file, changes);
      }
      adds.erase(added);
    } else if (remove.data_change) {
      changes.push_back({version, false, removed, std::nullopt, is_retention(entry)});
    }
  }
  for (const auto& [path, add] : adds) {
    if (add->data_change) {
      changes.push_back({version, true, add->file, std::nullopt});
    }
  }
}

}  // namespace

Result<LogEntry> read_kept_entry(store::ObjectStore& store,
                                 const std::string& key,
                                 Version version) {
  Result<LogEntry> entry = read_entry(store, key, version);
  if (entry.code() == Code::kNotFound) {
    return Status(Code::kOutOfRange,
                  "version " + std::to_string(version) + " of table " + key +
                      " is no longer in its log, so what it changed is not known: read a whole "
                      "version of the table, and go on from that");
  }
  return entry;
}

Result<std::vector<FileChange>> changes_between(store::ObjectStore& store,
                                                data::SqlEngine& sql,
                                                const std::string& key,
                                                const TableState& newest,
                                                Version after,
                                                Version last) {
  if (last > newest.snapshot.version || after < -1) {
    return Status(Code::kNotFound,
                  "table " + key + " has versions 0 to " + std::to_string(newest.snapshot.version) +
                      ", not " + std::to_string(after < -1 ? after : last));
  }
  std::vector<LogEntry> entries;
  bool is_state_needed = false;
  for (Version version = after + 1; version <= last; ++version) {
    ASSAY_ASSIGN_OR_RETURN(LogEntry entry, read_kept_entry(store, key, version));
    is_state_needed |=
        std::any_of(entry.removes.begin(), entry.removes.end(), [&](const RemoveAction& remove) {
          return needs_state(remove, newest);
        });
    entries.push_back(std::move(entry));
  }
  std::shared_ptr<TableState> before;
  if (is_state_needed && after >= 0) {
    ASSAY_ASSIGN_OR_RETURN(before, load_state(store, sql, key, after));
  }
  std::vector<FileChange> changes;
  Version version = after;
  for (const LogEntry& entry : entries) {
    append_changes(++version, entry, before.get(), changes);
    if (before != nullptr) {
      ASSAY_RETURN_IF_ERROR(apply_entry(*before, version, entry));
    }
  }
  return changes;
}

}  // namespace assay::lake
