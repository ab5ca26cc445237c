#include "lake/retention.h"

#include <algorithm>

#include "base/fail_point.h"

namespace assay::lake {
namespace {

constexpr int kAttemptsMax = 10;

Status validate_column(const Snapshot& snapshot, const std::string& key, const std::string& name) {
  const auto& columns = snapshot.partition_columns;
  const bool is_date =
      std::find(columns.begin(), columns.end(), name) != columns.end() &&
      snapshot.schema->field(*snapshot.schema->find(name)).type == data::Type::kDate;
  return is_date ? Status()
                 : Status(Code::kInvalidArgument,
                          "table " + key + " is not partitioned by a date `" + name + "`");
}

}  // namespace

Result<RewriteReport> drop_old_days(const LakeAccess& /*lake*/,
                                    DeltaTable& table,
                                    const RetentionRequest& request) {
  const std::string day = format_time(request.kept_from).substr(0, 10);
  Result<RewriteReport> report = RewriteReport();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
    ASSAY_RETURN_IF_ERROR(validate_column(*snapshot, table.key(), request.date_column));
    CommitRequest commit;
    commit.operation = "DELETE";
    commit.parameters = {{"predicate", request.date_column + " < DATE '" + day + "'"},
                         {kRetentionParameter, day}};
    commit.txns = request.txns;
    report = RewriteReport();
    for (const auto& [path, file] : snapshot->files) {
      const auto value = file.partition_values.find(request.date_column);
      // Years have four digits, so the days' texts stand in the days' order.
      if (value != file.partition_values.end() && value->second && *value->second < day) {
        commit.removes.push_back(path);
        report->rows_removed += std::max<int64_t>(file.rows, 0);
      }
    }
    report->files_removed = static_cast<int64_t>(commit.removes.size());
    if (commit.removes.empty() || request.dry_run) {
      return report;
    }
    fail_point("lake.retention.before_commit");
    const Result<Version> version = table.commit(commit);
    if (version.ok()) {
      report->version = *version;
      return report;
    }
    report = version.status();
    if (version.code() != Code::kAborted) {
      break;
    }
  }
  return report;
}

bool is_retention(const LogEntry& entry) {
  return entry.info.has_value() && entry.info->parameters.count(kRetentionParameter) != 0;
}

}  // namespace assay::lake
