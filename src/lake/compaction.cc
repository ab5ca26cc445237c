#include "lake/compaction.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/fail_point.h"
#include "lake/rewrite.h"
#include "lake/small_files.h"
#include "lake/table_properties.h"

namespace assay::lake {
namespace {

constexpr int64_t kBytesPerCommit = int64_t{1} << 30;
constexpr std::size_t kFilesPerCommit = 256;
constexpr int64_t kDearFileBytes = 256 << 10;

/// Files that become one.
using Group = std::vector<const DataFile*>;

int64_t bytes_of(const Group& group) {
  int64_t bytes = 0;
  for (const DataFile* file : group) {
    bytes += file->size_bytes;
  }
  return bytes;
}

/// Are these files, on average, so small that to open one costs more than to read it?
bool are_dear(const Group& group) {
  return bytes_of(group) < kDearFileBytes * static_cast<int64_t>(group.size());
}

/// Small files of one partition and one set of tags, oldest first, cut where the target is full.
std::vector<Group> plan(const Snapshot& snapshot, const CompactionOptions& options) {
  const int64_t small = options.small_bytes > 0 ? options.small_bytes : options.target_bytes / 2;
  std::map<std::pair<PartitionValues, std::map<std::string, std::string>>, Group> alike;
  for (const auto& [path, file] : snapshot.files) {
    if (file.size_bytes < small) {
      alike[{file.partition_values, file.tags}].push_back(&file);
    }
  }
  std::vector<Group> groups;
  for (auto& [kind, files] : alike) {
    std::stable_sort(files.begin(), files.end(), [](const DataFile* a, const DataFile* b) {
      return a->modification_ms < b->modification_ms;
    });
    Group group;
    int64_t bytes = 0;
    for (const DataFile* file : files) {
      if (!group.empty() && bytes + file->size_bytes > options.target_bytes) {
        groups.push_back(std::exchange(group, {}));
        bytes = 0;
      }
      group.push_back(file);
      bytes += file->size_bytes;
    }
    groups.push_back(std::move(group));
  }
  groups.erase(
      std::remove_if(
          groups.begin(), groups.end(), [](const Group& group) { return group.size() < 2; }),
      groups.end());
  return groups;
}

/// `"a", "b"` of the property "a,b"; "" when a column is not there (any more).
std::string order_of(const Snapshot& snapshot) {
  const auto sorted = snapshot.configuration.find(std::string(kSortProperty));
  std::string order;
  std::string_view rest =
      sorted == snapshot.configuration.end() ? std::string_view() : sorted->second;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string name(rest.substr(0, end));
    if (!snapshot.schema->find(name)) {
      return "";
    }
    order += (order.empty() ? "" : ", ") + data::SqlEngine::identifier(name);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return order;
}

/// Rows of the files, less deleted ones; nothing where the log does not say.
std::optional<int64_t> rows_of(const Group& group) {
  int64_t rows = 0;
  for (const DataFile* file : group) {
    if (file->rows < 0) {
      return std::nullopt;
    }
    rows += file->rows - (file->deletion_vector ? file->deletion_vector->cardinality : 0);
  }
  return rows;
}

/// Compaction loses no row and makes none, whoever read the files.
Status check_rows(const Group& group, const std::vector<DataFile>& written) {
  const std::optional<int64_t> expected = rows_of(group);
  int64_t rows = 0;
  for (const DataFile& file : written) {
    rows += file.rows;
  }
  if (!expected || rows == *expected) {
    return {};
  }
  return {Code::kCorrupt,
          "the log says that " + std::to_string(group.size()) + " files from " +
              group.front()->path + " on have " + std::to_string(*expected) +
              " rows, but they gave " + std::to_string(rows)};
}

/// Groups that are written, and committed together.
class CompactionRun {
 public:
  CompactionRun(const LakeAccess& lake, DeltaTable& table, const Snapshot& snapshot)
      : lake_(lake), table_(table), snapshot_(snapshot), order_(order_of(snapshot)) {}

  Status add(const Group& group) {
    std::vector<DataFile> files;
    for (const DataFile* file : group) {
      files.push_back(*file);
    }
    fail_point("lake.compact.before_write");
    ASSAY_ASSIGN_OR_RETURN(const std::vector<DataFile> written, write(group, std::move(files)));
    const Status checked = check_rows(group, written);
    if (!checked.ok()) {
      discard_files(lake_, table_, written);
      return checked;
    }
    request_.adds.insert(request_.adds.end(), written.begin(), written.end());
    for (const DataFile* file : group) {
      request_.removes.push_back(file->path);
    }
    bytes_removed_ += bytes_of(group);
    ++groups_;
    return {};
  }

  Status commit_if_full() {
    const bool full = bytes_removed_ >= kBytesPerCommit || request_.adds.size() >= kFilesPerCommit;
    return full ? commit() : Status();
  }

  Status commit() {
    if (request_.removes.empty()) {
      return {};
    }
    request_.operation = "OPTIMIZE";
    request_.data_change = false;
    fail_point("lake.compact.before_commit");
    const Result<Version> version = commit_or_discard(lake_, table_, request_);
    if (version.ok()) {
      report_.files_removed += static_cast<int64_t>(request_.removes.size());
      report_.files_added += static_cast<int64_t>(request_.adds.size());
      report_.bytes_removed += bytes_removed_;
      for (const DataFile& file : request_.adds) {
        report_.bytes_added += file.size_bytes;
      }
      ++report_.commits;
    } else if (version.code() == Code::kAborted) {
      report_.conflicts += groups_;
    } else {
      return version.status();
    }
    request_ = {};
    bytes_removed_ = 0;
    groups_ = 0;
    return {};
  }

  /// After a failure: nothing will name what was written.
  void discard() { discard_files(lake_, table_, request_.adds); }
  [[nodiscard]] const CompactionReport& report() const { return report_; }

 private:
  Result<std::vector<DataFile>> write(const Group& group, std::vector<DataFile> files) {
    const bool are_whole = std::none_of(files.begin(), files.end(), [](const DataFile& file) {
      return file.deletion_vector.has_value();
    });
    if (are_dear(group) && are_whole && order_.empty() && may_read_small_files(snapshot_)) {
      const std::unique_ptr<data::BatchReader> rows =
          read_small_files(lake_, table_, snapshot_, std::move(files));
      return table_.write_stream(*rows, group.front()->tags, group.front()->partition_values);
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table_.relation_of(snapshot_, files));
    return table_.write_query({.sql = "SELECT * FROM " + relation,
                               .order = order_,
                               .tags = group.front()->tags,
                               .partition = group.front()->partition_values,
                               .is_costly = are_dear(group)});
  }

  const LakeAccess& lake_;
  DeltaTable& table_;
  const Snapshot& snapshot_;
  std::string order_;
  CommitRequest request_;
  int64_t bytes_removed_ = 0;
  int64_t groups_ = 0;
  CompactionReport report_;
};

}  // namespace

Result<CompactionReport> compact(const LakeAccess& lake,
                                 DeltaTable& table,
                                 const CompactionOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  const std::vector<Group> groups = plan(*snapshot, options);
  if (options.dry_run) {
    CompactionReport report;
    for (const Group& group : groups) {
      report.files_removed += static_cast<int64_t>(group.size());
      report.bytes_removed += bytes_of(group);
      ++report.files_added;
    }
    return report;
  }
  CompactionRun run(lake, table, *snapshot);
  Status refused;  // of the first group whose files are not what the log says
  for (const Group& group : groups) {
    Status done = run.add(group);
    if (done.code() == Code::kCorrupt || done.code() == Code::kNotFound) {
      lake.world.log.warn("compaction_left_files",
                          {{"table", table.key()}, {"reason", done.to_string()}});
      refused = refused.ok() ? std::move(done) : refused;
      continue;
    }
    done = done.ok() ? run.commit_if_full() : done;
    if (!done.ok()) {
      if (done.code() != Code::kCommitUnknown) {
        run.discard();
      }
      return done.with_context("compact table " + table.key());
    }
  }
  ASSAY_RETURN_IF_ERROR(run.commit().with_context("compact table " + table.key()));
  if (!refused.ok()) {
    return refused.with_context("compact table " + table.key() +
                                ", some of whose files were left as they are (`assay lake doctor` "
                                "tells more)");
  }
  return run.report();
}

}  // namespace assay::lake
