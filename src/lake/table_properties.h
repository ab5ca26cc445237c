#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace assay::lake {

/// A table's configuration, as its log says.
using TableProperties = std::map<std::string, std::string>;

/// Name of the property that says which engine writes a table: `assay`, `any`, or another engine's.
constexpr std::string_view kWriterProperty = "assay.writer";
/// Columns by which rows are sorted inside each file, with commas between them.
constexpr std::string_view kSortProperty = "assay.sortedBy";
/// The `txn` application under which every commit of ours says its own version.
constexpr std::string_view kWriterAppId = "assay/commits";

/// Check a property that is about to be set. Names that begin neither with `delta.` nor with
/// `assay.` are the user's own.
///
/// Errors  kInvalidArgument: a value that the property does not take; an unknown `delta.` or
///         `assay.` name. kUnimplemented: a property that asks for a table feature; it is named.
Status validate_property(const std::string& name, const std::string& value);

/// How many commits lie between two checkpoints where the table does not say.
constexpr int64_t kCheckpointInterval = 10;
/// What it says (delta.checkpointInterval).
std::optional<int64_t> checkpoint_interval(const TableProperties& properties);
/// How long log files stay behind a checkpoint (delta.logRetentionDuration, 30 days).
Duration log_retention(const TableProperties& properties);
/// How long files stay that no version needs any more (delta.deletedFileRetentionDuration, 7 days).
Duration deleted_file_retention(const TableProperties& properties);

/// A time span as Delta writes it: "interval 30 days", "interval 1 week 2 hours".
///
/// Errors  kInvalidArgument: anything else; months and years, which have no length.
Result<Duration> parse_interval(std::string_view text);

}  // namespace assay::lake
