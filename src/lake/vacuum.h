#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "lake/delta_table.h"
#include "lake/lake_access.h"

namespace assay::lake {

struct VacuumOptions {
  /// How long a removed file stays for readers of older versions: at most the table's
  /// delta.deletedFileRetentionDuration, which is the default.
  std::optional<Duration> keep = {};
  /// Somebody has read the table up to this version and goes on behind it: files that later
  /// versions added or removed stay, whatever their age.
  std::optional<Version> needed = {};
  bool dry_run = false;
  /// Versions that must stay whole, with every file that they have.
  std::vector<Version> kept = {};
};

struct VacuumReport {
  std::vector<std::string> files;  // keys that went, or would go
  int64_t bytes = 0;
};

/// Remove data files that no version needs which is younger than `keep`, files that no version ever
/// named, and leftovers that are older than a day.
///
/// Time    a file that a version removed goes `keep` after that. A file that no version names may
///         belong to a writer that has not committed yet: it goes when it is older than `keep` and
///         than a day.
/// Errors  kInvalidArgument: `keep` is longer than the table remembers removed files, or negative.
///         kUnimplemented: a table that we must not write to.
/// Source  Delta Lake, PROTOCOL.md; docs/formats/delta.md
Result<VacuumReport> vacuum(const LakeAccess& lake,
                            DeltaTable& table,
                            const VacuumOptions& options = {});

/// What writers whose power went left beside a table's log and manifests: files under names that no
/// reader looks at. One that is younger than a day may belong to a writer at work.
Result<std::vector<FileInfo>> leftovers(const LakeAccess& lake, const std::string& key);

struct LogCleanupOptions {
  std::optional<Duration> keep = {};  // default: the table's delta.logRetentionDuration
  std::optional<Version> needed =
      {};  // log files of this version and later stay, whatever their age
  bool dry_run = false;
};

struct LogCleanupReport {
  Version oldest = 0;              // the oldest version that can be read afterwards
  std::vector<std::string> files;  // keys of log files that went, or would go
};

/// Remove log files older than the newest checkpoint that is itself older than `keep`. Versions
/// from that checkpoint on stay readable, its own log file included, which two readers need.
///
/// Errors  kCorrupt: that checkpoint cannot be read; nothing is removed.
Result<LogCleanupReport> clean_log(const LakeAccess& lake,
                                   DeltaTable& table,
                                   const LogCleanupOptions& options = {});

}  // namespace assay::lake
