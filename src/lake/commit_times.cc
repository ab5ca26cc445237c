#include "lake/commit_times.h"

#include <algorithm>
#include <charconv>

namespace assay::lake {
namespace {

constexpr int64_t kMicrosPerMilli = 1'000;

bool is_on(const Snapshot& snapshot, const char* property) {
  const auto found = snapshot.configuration.find(property);
  return found != snapshot.configuration.end() && found->second == "true";
}

Version number_of(const Snapshot& snapshot, const char* property) {
  const auto found = snapshot.configuration.find(property);
  Version number = 0;
  if (found != snapshot.configuration.end()) {
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  }
  return number;
}

/// -1: not a log entry's name.
Version version_of(std::string_view name) {
  Version version = -1;
  constexpr std::size_t kDigits = 20;
  if (name.size() != kDigits + 5 || !name.ends_with(".json")) {
    return -1;
  }
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, version);
  return error == std::errc() && end == name.data() + kDigits ? version : -1;
}

}  // namespace

Result<CommitTimes> CommitTimes::list(store::ObjectStore& store,
                                      const std::string& key,
                                      const Snapshot& newest) {
  const std::string prefix = log_prefix(key);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::ObjectInfo> objects, store.list(prefix));
  CommitTimes times(store, key);
  for (const store::ObjectInfo& object : objects) {
    const Version version = version_of(std::string_view(object.key).substr(prefix.size()));
    if (version < 0 || version > newest.version) {
      continue;
    }
    const auto next = times.first_ + static_cast<Version>(times.file_times_.size());
    if (version != next || times.file_times_.empty()) {
      times.first_ = version;  // versions before a gap cannot be read
      times.file_times_.clear();
    }
    EventTime time = {object.modified.micros / kMicrosPerMilli * kMicrosPerMilli};
    if (!times.file_times_.empty() && time.micros <= times.file_times_.back().micros) {
      time.micros = times.file_times_.back().micros + kMicrosPerMilli;
    }
    times.file_times_.push_back(time);
  }
  times.in_commit_since_ = is_on(newest, "delta.enableInCommitTimestamps")
                               ? number_of(newest, "delta.inCommitTimestampEnablementVersion")
                               : newest.version + 1;
  return times;
}

Result<EventTime> CommitTimes::time_of(Version version) {
  if (version < first_ || version >= first_ + static_cast<Version>(file_times_.size())) {
    return Status(Code::kNotFound,
                  "version " + std::to_string(version) + " of table " + key_ +
                      " is not in its log (any more)");
  }
  if (version < in_commit_since_) {
    return file_times_[static_cast<std::size_t>(version - first_)];
  }
  ASSAY_ASSIGN_OR_RETURN(const LogEntry entry, read_entry(store_, key_, version));
  if (!entry.info || !entry.info->in_commit_ms) {
    return Status(Code::kCorrupt,
                  "log entry " + log_prefix(key_) + log_file_name(version) +
                      " does not say its time, as the table's configuration asks");
  }
  return EventTime{*entry.info->in_commit_ms * kMicrosPerMilli};
}

Result<Version> CommitTimes::version_at(EventTime time) {
  // Times ascend, so half of the versions fall out with each look.
  Version begin = first_;
  Version end = first_ + static_cast<Version>(file_times_.size());
  while (begin < end) {
    const Version middle = begin + (end - begin) / 2;
    ASSAY_ASSIGN_OR_RETURN(const EventTime committed, time_of(middle));
    if (committed.micros <= time.micros) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  if (begin == first_) {
    std::string oldest = "nothing";
    if (!file_times_.empty()) {
      ASSAY_ASSIGN_OR_RETURN(const EventTime committed, time_of(first_));
      oldest = "version " + std::to_string(first_) + " of " + format_time(committed);
    }
    return Status(Code::kNotFound,
                  "table " + key_ + " has no version as old as " + format_time(time) +
                      "; the oldest in its log is " + oldest);
  }
  return begin - 1;
}

}  // namespace assay::lake
