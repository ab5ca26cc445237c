#pragma once

#include <vector>

#include "base/time.h"
#include "lake/snapshot.h"

namespace assay::lake {

/// When the versions were committed that a table's log still holds.
///
/// Time    as Delta has it: what the commit itself says (inCommitTimestamp) since the table's
///         configuration turned that on; before, the time of the log file, made to ascend: a commit
///         that is not later than the one before it counts as one millisecond later.
/// Threads one thread at a time.
class CommitTimes {
 public:
  /// Errors  kNotFound: no table at `key`; those of the store.
  static Result<CommitTimes> list(store::ObjectStore& store,
                                  const std::string& key,
                                  const Snapshot& newest);

  /// The newest version that is not after `time`; for a time in the future the newest of all.
  ///
  /// Errors  kNotFound: `time` is before the oldest version that the log still holds; both are
  ///         named.
  Result<Version> version_at(EventTime time);
  /// kNotFound: the log holds no entry of that version (any more).
  Result<EventTime> time_of(Version version);

 private:
  CommitTimes(store::ObjectStore& store, std::string key) : store_(store), key_(std::move(key)) {}

  store::ObjectStore& store_;
  std::string key_;
  Version first_ = 0;
  std::vector<EventTime> file_times_;  // of first_, first_ + 1, ...
  Version in_commit_since_ = 0;        // the versions from here on say it themselves
};

}  // namespace assay::lake
