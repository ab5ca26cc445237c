#include "lake/vacuum.h"

#include <algorithm>
#include <set>

#include "base/fail_point.h"
#include "lake/checkpoint.h"
#include "lake/snapshot.h"
#include "lake/table_properties.h"

namespace assay::lake {
namespace {

constexpr int64_t kUnknownFileKeptUs = kMicrosPerDay;
constexpr std::string_view kCheckpointSuffix = ".checkpoint.parquet";
constexpr std::size_t kVersionDigits = 20;

/// Folders that begin with `_` or `.` are not data, unless they are a partition's.
bool is_data_file(std::string_view path) {
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if ((part.front() == '_' || part.front() == '.') && part.find('=') == std::string_view::npos) {
      return false;
    }
    path.remove_prefix(std::min(part.size() + 1, path.size()));
  }
  return true;
}

/// Paths of the files that versions behind `after` added or removed, and of those that the versions
/// `kept` have.
Result<std::set<std::string>> files_behind(DeltaTable& table,
                                           std::optional<Version> after,
                                           const std::vector<Version>& kept) {
  std::set<std::string> paths;
  for (const Version version : kept) {
    const auto snapshot = table.snapshot(version);
    if (snapshot.code() == Code::kNotFound || snapshot.code() == Code::kOutOfRange) {
      continue;  // it cannot be read any more
    }
    ASSAY_RETURN_IF_ERROR(snapshot.status());
    for (const auto& [path, file] : (*snapshot)->files) {
      paths.insert(path);
    }
  }
  if (after.has_value()) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
    const Result<std::vector<FileChange>> changes =
        table.changes_between(*after, snapshot->version);
    if (changes.code() == Code::kOutOfRange) {
      return paths;  // their log is gone: nobody can read them one by one any more
    }
    ASSAY_RETURN_IF_ERROR(changes.status());
    for (const FileChange& change : *changes) {
      paths.insert(change.file.path);
    }
  }
  return paths;
}

Result<std::vector<store::ObjectInfo>> unneeded_files(const LakeAccess& lake,
                                                      const std::string& key,
                                                      const std::vector<store::ObjectInfo>& objects,
                                                      const std::set<std::string>& needed,
                                                      const std::optional<Duration>& wanted) {
  // The listing is older than the state: a file that was listed and committed since is in it.
  ASSAY_ASSIGN_OR_RETURN(const auto state, load_state(lake.store, lake.sql, key, std::nullopt));
  ASSAY_RETURN_IF_ERROR(validate_writable(*state));
  const Duration remembered = deleted_file_retention(state->snapshot.configuration);
  const Duration keep = wanted.value_or(remembered);
  if (keep > remembered || keep.micros < 0) {
    return Status(Code::kInvalidArgument,
                  "the table forgets removed files after " + format_duration(remembered) +
                      "; to keep them longer, set delta.deletedFileRetentionDuration");
  }
  const int64_t now_us = lake.world.clock.now().micros;
  std::vector<store::ObjectInfo> unneeded;
  for (const store::ObjectInfo& object : objects) {
    const std::string path = object.key.substr(key.size() + 1);
    if (!is_data_file(path) || state->snapshot.files.count(path) != 0 || needed.contains(path)) {
      continue;
    }
    const auto tombstone = state->tombstones.find(path);
    const bool old =
        tombstone != state->tombstones.end()
            ? tombstone->second.deletion_ms * 1'000 + keep.micros <= now_us
            : object.modified.micros + std::max(keep.micros, kUnknownFileKeptUs) <= now_us;
    if (old) {
      unneeded.push_back(object);
    }
  }
  return unneeded;
}

Status remove_leftovers(const LakeAccess& lake,
                        const std::string& key,
                        bool dry_run,
                        VacuumReport& report) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> found, leftovers(lake, key));
  const int64_t now_us = lake.world.clock.now().micros;
  for (const FileInfo& file : found) {
    if (file.modified.micros + kUnknownFileKeptUs > now_us) {
      continue;
    }
    ASSAY_RETURN_IF_ERROR(dry_run ? Status() : lake.world.files.remove(file.path));
    report.files.push_back(file.path);
    report.bytes += file.size_bytes;
  }
  return {};
}

/// The version of a log file's name; -1 for other files.
Version version_of(std::string_view name) {
  if (name.size() <= kVersionDigits || name[kVersionDigits] != '.') {
    return -1;
  }
  Version version = 0;
  for (const char c : name.substr(0, kVersionDigits)) {
    if (c < '0' || c > '9' || version > (int64_t{1} << 58)) {
      return -1;
    }
    version = version * 10 + (c - '0');
  }
  return version;
}

/// The newest checkpoint not after `newest` that is older than `before`; -1 for none.
Version checkpoint_before(const std::vector<store::ObjectInfo>& log,
                          std::size_t prefix,
                          Version newest,
                          EventTime before) {
  Version found = -1;
  for (const store::ObjectInfo& object : log) {
    const std::string_view name = std::string_view(object.key).substr(prefix);
    const Version version = version_of(name);
    if (version >= 0 && version <= newest && name.substr(kVersionDigits) == kCheckpointSuffix &&
        object.modified <= before) {
      found = std::max(found, version);
    }
  }
  return found;
}

}  // namespace

Result<VacuumReport> vacuum(const LakeAccess& lake,
                            DeltaTable& table,
                            const VacuumOptions& options) {
  const std::string& key = table.key();
  const std::string context = "vacuum table " + key;
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::ObjectInfo> objects, lake.store.list(key + "/"));
  const Result<std::set<std::string>> needed = files_behind(table, options.needed, options.kept);
  ASSAY_RETURN_IF_ERROR(needed.status().with_context(context));
  Result<std::vector<store::ObjectInfo>> unneeded =
      unneeded_files(lake, key, objects, *needed, options.keep);
  ASSAY_RETURN_IF_ERROR(unneeded.status().with_context(context));
  VacuumReport report;
  for (const store::ObjectInfo& object : *unneeded) {
    if (!options.dry_run) {
      ASSAY_RETURN_IF_ERROR(lake.store.remove(object.key).with_context(context));
      fail_point("lake.vacuum.after_remove");
    }
    report.files.push_back(object.key);
    report.bytes += object.size_bytes;
  }
  ASSAY_RETURN_IF_ERROR(remove_leftovers(lake, key, options.dry_run, report).with_context(context));
  return report;
}

Result<std::vector<FileInfo>> leftovers(const LakeAccess& lake, const std::string& key) {
  std::vector<FileInfo> found;
  for (const char* const folder : {"/_delta_log", "/_manifest"}) {
    // Where the store writes: a folder of this machine, also for a bucket.
    Result<std::vector<FileInfo>> entries =
        lake.world.files.list(lake.store.write_path(key + folder));
    if (entries.code() == Code::kNotFound) {
      continue;
    }
    ASSAY_RETURN_IF_ERROR(entries.status());
    for (FileInfo& entry : *entries) {
      if (!entry.is_directory && file_name(entry.path).starts_with(".tmp.")) {
        found.push_back(std::move(entry));
      }
    }
  }
  return found;
}

Result<LogCleanupReport> clean_log(const LakeAccess& lake,
                                   DeltaTable& table,
                                   const LogCleanupOptions& options) {
  const std::string& key = table.key();
  const std::string context = "clean the log of table " + key;
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  const Duration keep = options.keep.value_or(log_retention(snapshot->configuration));
  const std::string prefix = log_prefix(key);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::ObjectInfo> log, lake.store.list(prefix));
  // What _last_checkpoint does not name yet, some reader cannot open without the older log files.
  Version newest = last_checkpoint_version(lake.store, key);
  newest = std::min(newest, options.needed.value_or(newest));
  const EventTime before{lake.world.clock.now().micros - keep.micros};
  LogCleanupReport report;
  for (const store::ObjectInfo& object : log) {
    const Version version = version_of(std::string_view(object.key).substr(prefix.size()));
    if (version >= 0) {
      report.oldest = version;
      break;
    }
  }
  const Version base = checkpoint_before(log, prefix.size(), newest, before);
  if (base < 0) {
    return report;
  }
  ASSAY_RETURN_IF_ERROR(load_state(lake.store, lake.sql, key, base).status().with_context(context));
  // Older checkpoints go first: with one of them and a gap behind it, a version would look damaged
  // that is only gone.
  std::vector<std::string> checkpoints;
  std::vector<std::string> entries;
  for (const store::ObjectInfo& object : log) {
    const std::string_view name = std::string_view(object.key).substr(prefix.size());
    const Version version = version_of(name);
    if (version >= 0 && version < base) {
      (name.substr(kVersionDigits) == ".json" ? entries : checkpoints).push_back(object.key);
    }
  }
  report.oldest = base;
  report.files = checkpoints;
  report.files.insert(report.files.end(), entries.begin(), entries.end());
  for (const std::string& file : report.files) {
    if (!options.dry_run) {
      ASSAY_RETURN_IF_ERROR(lake.store.remove(file).with_context(context));
      fail_point("lake.clean_log.after_remove");
    }
  }
  return report;
}

}  // namespace assay::lake
