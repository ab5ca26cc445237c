#include "lake/doctor.h"

#include <algorithm>
#include <map>
#include <optional>

#include "lake/checkpoint_check.h"
#include "lake/delta_table.h"
#include "lake/rewrite.h"
#include "lake/snapshot.h"
#include "lake/statistics_check.h"
#include "lake/table_properties.h"
#include "lake/vacuum.h"

namespace assay::lake {
namespace {

using Severity = Finding::Severity;

class Examination {
 public:
  Examination(const LakeAccess& lake, const std::string& key, const DoctorOptions& options)
      : lake_(lake), key_(key), options_(options) {}

  Result<std::vector<Finding>> run() {
    ASSAY_ASSIGN_OR_RETURN(objects_, lake_.store.list(key_ + "/"));
    for (const store::ObjectInfo& object : objects_) {
      sizes_[object.key] = object.size_bytes;
    }
    examine_log();
    ASSAY_ASSIGN_OR_RETURN(CheckpointCheck check, check_checkpoints(lake_, key_, options_.mend));
    findings_.insert(findings_.end(), check.findings.begin(), check.findings.end());
    if (check.state == nullptr) {
      add(Severity::kError, "unreadable", key_, check.unreadable.message());
      return findings_;
    }
    state_ = check.state;
    examine_writer();
    ASSAY_RETURN_IF_ERROR(examine_files());
    ASSAY_RETURN_IF_ERROR(examine_leftovers());
    if (options_.statistics && check.unreadable.ok()) {
      ASSAY_RETURN_IF_ERROR(examine_statistics());
    }
    return findings_;
  }

 private:
  void add(Severity severity,
           std::string kind,
           std::string object,
           std::string text,
           bool mended = false) {
    findings_.push_back({severity, std::move(kind), std::move(object), std::move(text), mended});
  }

  /// Every log file can be read, and none is missing from the checkpoint or the beginning on.
  void examine_log() {
    const std::string prefix = log_prefix(key_);
    const auto checkpoints = list_checkpoints(lake_.store, key_);
    const bool has_checkpoint = checkpoints.ok() && !checkpoints->empty();
    // What a checkpoint stands for need not be there.
    const Version needed = has_checkpoint ? checkpoints->rbegin()->first + 1 : 0;
    Version previous = -1;
    for (const store::ObjectInfo& object : objects_) {
      const std::string name = object.key.substr(std::min(prefix.size(), object.key.size()));
      const bool is_entry = object.key.starts_with(prefix) && name.size() == 25 &&
                            name.ends_with(".json") && name.find_first_not_of("0123456789") == 20;
      if (!is_entry) {
        continue;
      }
      const Version version = std::strtoll(name.c_str(), nullptr, 10);
      if (previous >= 0 && version != previous + 1) {
        add(Severity::kError,
            "missing_version",
            prefix + log_file_name(previous + 1),
            "the log goes from version " + std::to_string(previous) + " to " +
                std::to_string(version) + "; bring what is between back from a backup");
      } else if (previous < 0 && version > needed) {
        add(Severity::kError,
            "missing_version",
            prefix + log_file_name(needed),
            "the log begins with version " + std::to_string(version) + ", and " +
                (has_checkpoint
                     ? "the newest checkpoint is of version " + std::to_string(needed - 1)
                     : "no checkpoint stands for what is before it") +
                "; bring the versions between back from a backup");
      }
      previous = version;
      const Result<LogEntry> entry = read_entry(lake_.store, key_, version);
      if (entry.code() == Code::kNotFound) {
        continue;  // cleaned up since the listing; what a reader misses is told by load_state
      }
      if (!entry.ok()) {
        add(Severity::kError, "corrupt_log", object.key, entry.status().message());
      } else if (entry->info && !entry->info->engine.empty() &&
                 !entry->info->engine.starts_with("Assay")) {
        add(Severity::kNote,
            "other_engine",
            object.key,
            "version " + std::to_string(version) + " was written by " + entry->info->engine);
      }
    }
  }

  void examine_writer() {
    const Snapshot& now = state_->snapshot;
    const auto writer = now.configuration.find(std::string(kWriterProperty));
    const std::optional<int64_t> ours = now.txn(std::string(kWriterAppId));
    if (writer != now.configuration.end() && writer->second == "assay" && ours != now.version) {
      add(Severity::kWarning,
          "other_writer",
          key_,
          "another engine wrote after version " + std::to_string(ours.value_or(-1)) +
              "; Assay writes no more until `assay lake set " + key_ + " assay.writer=assay`");
    }
  }

  /// A version may be newer than the listing: what that lacks, the store is asked for.
  Result<std::optional<int64_t>> size_of(const std::string& key) {
    const auto found = sizes_.find(key);
    if (found != sizes_.end()) {
      return std::optional(found->second);
    }
    const Result<store::ObjectInfo> now = lake_.store.stat(key);
    if (now.ok()) {
      sizes_[key] = now->size_bytes;
      return std::optional(now->size_bytes);
    }
    return now.code() == Code::kNotFound ? Result<std::optional<int64_t>>(std::nullopt)
                                         : now.status();
  }

  Status examine_files() {
    for (const auto& [path, file] : state_->snapshot.files) {
      const std::string key = key_ + '/' + path;
      ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> size, size_of(key));
      if (!size) {
        add(Severity::kError, "missing_file", key, missing_text(path));
      } else if (*size != file.size_bytes) {
        add(Severity::kError,
            "wrong_size",
            key,
            "it has " + std::to_string(*size) + " bytes, not the " +
                std::to_string(file.size_bytes) + " that were committed");
      }
    }
    int64_t removed = 0;
    for (const store::ObjectInfo& object : objects_) {
      const std::string path = object.key.substr(key_.size() + 1);
      if (path.front() == '_' || state_->snapshot.files.count(path) != 0) {
        continue;
      }
      if (state_->tombstones.count(path) != 0) {
        ++removed;
      } else {
        add(Severity::kNote,
            "orphan",
            object.key,
            "no version names it; `assay lake vacuum` removes it when it is old enough");
      }
    }
    if (removed > 0) {
      add(Severity::kNote,
          "removed_files",
          key_,
          std::to_string(removed) + " files that later versions removed; `assay lake vacuum`");
    }
    return {};
  }

  Status examine_leftovers() {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> found, leftovers(lake_, key_));
    for (const FileInfo& file : found) {
      add(Severity::kNote,
          "leftover",
          file.path,
          "a writer ended before it was done with it; `assay lake vacuum` removes it when it is a "
          "day old");
    }
    return {};
  }

  static std::string missing_text(const std::string& path) {
    return "a version needs it; bring it back from a backup: " + path;
  }

  Status examine_statistics() {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<DeltaTable> table,
                           DeltaTable::open(lake_.world, lake_.store, lake_.sql, key_));
    std::vector<DataFile> files;
    for (const auto& [path, file] : state_->snapshot.files) {
      if (sizes_.count(key_ + '/' + path) != 0) {
        files.push_back(file);
      }
    }
    const std::vector<Result<std::string>> lies =
        statistics_lies(lake_.sql, *table, state_->snapshot, files);
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::string object = key_ + '/' + files[i].path;
      const Result<std::string>& lie = lies[i];
      if (!lie.ok()) {
        add(Severity::kError, "unreadable_file", object, lie.status().message());
      } else if (!lie->empty()) {
        const Status mended =
            options_.mend ? rewrite(*table, files[i]) : Status(Code::kCancelled, "");
        add(Severity::kError,
            "wrong_statistics",
            object,
            mended.ok() || !options_.mend ? *lie : *lie + "; not mended: " + mended.message(),
            mended.ok());
      }
    }
    return {};
  }

  /// Write a file anew, with statistics of its rows.
  Status rewrite(DeltaTable& table, const DataFile& file) {
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table.relation_of(state_->snapshot, {file}));
    CommitRequest request;
    request.operation = "REWRITE STATISTICS";
    request.data_change = false;
    request.removes = {file.path};
    ASSAY_ASSIGN_OR_RETURN(request.adds,
                           table.write_query({.sql = "SELECT * FROM " + relation,
                                              .order = "",
                                              .tags = file.tags,
                                              .partition = file.partition_values}));
    return commit_or_discard(lake_, table, request).status();
  }

  const LakeAccess& lake_;
  const std::string& key_;
  const DoctorOptions& options_;
  std::vector<store::ObjectInfo> objects_;
  std::map<std::string, int64_t> sizes_;
  std::shared_ptr<const TableState> state_;
  std::vector<Finding> findings_;
};

}  // namespace

Result<std::vector<Finding>> examine_table(const LakeAccess& lake,
                                           const std::string& key,
                                           const DoctorOptions& options) {
  return Examination(lake, key, options).run();
}

Status send_to_doctor(Status status, const std::string& lake_path) {
  const std::string& message = status.message();
  const bool is_of_file = (status.code() == Code::kNotFound || status.code() == Code::kCorrupt) &&
                          !lake_path.empty() && message.find(lake_path) != std::string::npos &&
                          message.find(".parquet") != std::string::npos &&
                          message.find("`assay lake doctor") == std::string::npos;
  // The engine's pointer is into a statement that the user did not write.
  return is_of_file
             ? Status(Code::kCorrupt,
                      message.substr(0, message.find("\n\nLINE ")) +
                          "\na data file of the lake is missing or damaged; `assay lake doctor` "
                          "names each, versions without it can still be read (VERSION AS OF)")
             : status;
}

std::string_view severity_name(Finding::Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "";
}

}  // namespace assay::lake
