// The positions that travel with it: <table>/kept_from, the day before which rows went, in the
// retention's own commit; <steps>/answers_from, the instant from which steps answer, there and in
// the first commit of steps that are made from a source which lost rows.

#include "flow/retention.h"

#include <algorithm>

#include "base/fail_point.h"
#include "bronze/contract.h"
#include "lake/retention.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

EventTime midnight(int64_t micros) {
  return {floor_to(micros, kMicrosPerDay)};
}

/// A table that keeps its rows for a while, and the tables beside it.
struct KeepingTable {
  std::string key;
  Duration keep;
  std::string date_column;
  std::vector<std::pair<std::string, std::string>> beside;  // keys and date columns
};

/// The newest event time of a table; nothing when it has no rows. Only its newest day is read.
Result<std::optional<EventTime>> newest_event_time(Workspace& workspace,
                                                   const KeepingTable& keeping) {
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(keeping.key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  std::string newest;
  for (const auto& [path, file] : snapshot->files) {
    newest = std::max(newest, file.partition_values.at(keeping.date_column).value_or(""));
  }
  if (newest.empty()) {
    return std::optional<EventTime>();
  }
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch rows,
      workspace.read_table(keeping.key,
                           "max(event_time) AS t",
                           keeping.date_column + " = DATE " + data::SqlEngine::literal(newest),
                           ""));
  return rows.column(0).is_null(0) ? std::optional<EventTime>()
                                   : std::optional(EventTime{rows.column(0).values<int64_t>()[0]});
}

/// Drops days, one table after the other.
class Retention {
 public:
  Retention(Workspace& workspace, bool dry_run) : workspace_(workspace), dry_run_(dry_run) {}

  Status bronze(const catalog::BronzeDef& definition) {
    ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.bronze_table_key(definition.name));
    return events({key, *definition.storage.keep, "dt", {{key + "_quarantine", "dt"}}});
  }

  Status silver(const catalog::SilverDef& definition) {
    ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace_.silver_table_key(definition.name));
    return events({key,
                   *definition.storage.keep,
                   silver::kEventDate,
                   {{key + "_late", silver::kEventDate}, {key + "_quarantine", "dt"}}});
  }

  /// Instants up to `keep` before the frontier are answered as ever. What was known `ttl` before
  /// them has expired there.
  Status steps(const catalog::FeatureViewDef& definition) {
    ASSAY_ASSIGN_OR_RETURN(const GoldTask task, make_gold_task(workspace_, definition.name));
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.steps->snapshot());
    const std::optional<int64_t> frontier = snapshot->txn(task.frontier_app_id());
    if (!frontier.has_value()) {
      return {};
    }
    const int64_t now = std::min(*frontier, workspace_.world().clock.now().micros);
    const int64_t ttl = definition.ttl->micros;
    const int64_t keep = definition.storage.keep->micros;
    if (now < kFirstInstant.micros + keep + ttl) {
      return {};
    }
    const EventTime from = midnight(now - keep - ttl);
    const int64_t answers = std::max(from.micros + ttl, answers_from(task, *snapshot).micros);
    return drop(task.steps->key(), gold::kFeatureDate, from, {{"/answers_from", answers}});
  }

  std::vector<DroppedDays> take() { return std::move(dropped_); }

 private:
  Status events(const KeepingTable& keeping) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<EventTime> newest,
                           newest_event_time(workspace_, keeping));
    if (!newest.has_value()) {
      return {};
    }
    const int64_t now = std::min(newest->micros, workspace_.world().clock.now().micros);
    if (now < kFirstInstant.micros + keeping.keep.micros) {
      return {};
    }
    const EventTime from = midnight(now - keeping.keep.micros);
    // The main table first: its position is the one that others go by.
    ASSAY_RETURN_IF_ERROR(
        drop(keeping.key, keeping.date_column, from, {{"/kept_from", from.micros}}));
    for (const auto& [key, date_column] : keeping.beside) {
      ASSAY_RETURN_IF_ERROR(drop(key, date_column, from, {}));
    }
    return {};
  }

  /// `positions`: by what comes after the table's application id.
  Status drop(const std::string& key,
              const std::string& date_column,
              EventTime from,
              const std::map<std::string, int64_t>& positions) {
    Result<lake::DeltaTable*> table = workspace_.table(key);
    if (table.code() == Code::kNotFound) {
      return {};  // no row ever went there
    }
    ASSAY_RETURN_IF_ERROR(table.status());
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, (*table)->snapshot());
    lake::RetentionRequest request{date_column, from, {}, dry_run_};
    for (const auto& [suffix, position] : positions) {
      const std::string id = workspace_.app_id(key) + suffix;
      const std::optional<int64_t> held = snapshot->txn(id);
      request.txns.push_back({id, std::max(position, held.value_or(position)), held});
    }
    const lake::LakeAccess access{workspace_.world(), workspace_.store(), workspace_.sql()};
    Result<lake::RewriteReport> report = lake::drop_old_days(access, **table, request);
    if (!report.ok()) {
      return report.status().with_context("drop old days of " + key);
    }
    if (report->files_removed > 0) {
      dropped_.push_back({key, from, report->files_removed, report->rows_removed, report->version});
      fail_point("flow.retention.after_table");
    }
    return {};
  }

  Workspace& workspace_;
  bool dry_run_;
  std::vector<DroppedDays> dropped_;
};

}  // namespace

Result<std::vector<DroppedDays>> drop_old_days(Workspace& workspace, bool dry_run) {
  Retention retention(workspace, dry_run);
  const catalog::Project& project = workspace.project();
  // From the end of the line to its beginning: what was made from rows goes before they do.
  for (const auto& [name, view] : project.views) {
    if (view.storage.keep.has_value()) {
      ASSAY_RETURN_IF_ERROR(retention.steps(view));
    }
  }
  for (const auto& [name, silver] : project.silver) {
    if (silver.storage.keep.has_value()) {
      ASSAY_RETURN_IF_ERROR(retention.silver(silver));
    }
  }
  for (const auto& [name, bronze] : project.bronze) {
    if (bronze.storage.keep.has_value()) {
      ASSAY_RETURN_IF_ERROR(retention.bronze(bronze));
    }
  }
  return retention.take();
}

std::optional<int64_t> kept_from(const Workspace& workspace,
                                 const std::string& table_key,
                                 const lake::Snapshot& snapshot) {
  return snapshot.txn(workspace.app_id(table_key) + "/kept_from");
}

Result<EventTime> computable_from(Workspace& workspace, const GoldTask& task) {
  ASSAY_ASSIGN_OR_RETURN(const auto source, task.source->snapshot(task.source_version));
  const std::optional<int64_t> kept = kept_from(workspace, task.source_key, *source);
  if (!kept.has_value()) {
    return EventTime::min();
  }
  const int64_t whole = *kept + task.view->window_max().micros + task.view->slide().micros;
  return midnight(whole + kMicrosPerDay - 1);
}

EventTime answers_from(const GoldTask& task, const lake::Snapshot& steps) {
  return {steps.txn(task.app_id + "/answers_from").value_or(EventTime::min().micros)};
}

Status require_answers_from(Workspace& workspace, const gold::FeatureView& view, EventTime first) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.steps_table_key(view));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  const std::optional<int64_t> from = snapshot->txn(workspace.app_id(key) + "/answers_from");
  if (!from.has_value() || first.micros >= *from) {
    return {};
  }
  return {Code::kOutOfRange,
          "asked about " + format_time(first) +
              ", but older rows and steps are dropped (`keep`): " + key + " answers from " +
              format_time({*from}) + " on; leave older rows out, or keep longer"};
}

}  // namespace assay::flow
