#include "flow/gold_task.h"

#include <algorithm>

#include "flow/versions.h"
#include "lake/table_properties.h"

namespace assay::flow {
namespace {

EventTime back_by(EventTime time, Duration duration) {
  return time.micros < kFirstInstant.micros + duration.micros
             ? EventTime::min()
             : EventTime{time.micros - duration.micros};
}

}  // namespace

Result<SourceChanges> source_changes(const GoldTask& task, lake::Version after) {
  SourceChanges changes;
  if (after < 0) {  // all there is; the log of its beginning may be cleaned away
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
    for (const auto& [path, file] : snapshot->files) {
      changes.added.push_back(file);
    }
    return changes;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::FileChange> files,
                         task.source->changes_between(after, task.source_version));
  for (const lake::FileChange& change : files) {
    if (change.by_retention) {
      const auto went = [&](const lake::DataFile& file) {
        return file.partition_values == change.file.partition_values;
      };
      std::erase_if(changes.added, went);
      std::erase_if(changes.files, [&](const lake::FileChange& earlier) {
        return earlier.is_added && went(earlier.file);
      });
      continue;
    }
    (change.is_added ? changes.added : changes.removed).push_back(change.file);
    changes.files.push_back(change);
  }
  return changes;
}

Result<bool> is_up_to(lake::DeltaTable& source, std::optional<int64_t> done, lake::Version newest) {
  if (done == newest) {
    return true;
  }
  if (!done.has_value() || *done > newest) {
    return false;
  }
  const Result<std::vector<lake::FileChange>> changes = source.changes_between(*done, newest);
  if (changes.code() == Code::kOutOfRange) {
    return false;  // nobody knows any more
  }
  ASSAY_RETURN_IF_ERROR(changes.status());
  return std::all_of(changes->begin(), changes->end(), [](const lake::FileChange& change) {
    return change.by_retention;
  });
}

std::string timestamp_literal(EventTime time) {
  // Beyond the years that SQL can print, every row is on one side anyway.
  const EventTime clamped{std::clamp(time.micros, kFirstInstant.micros, kEndInstant.micros - 1)};
  return "TIMESTAMPTZ " + data::SqlEngine::literal(format_time(clamped));
}

std::string last_of_each_entity(const gold::FeatureView& view) {
  const std::vector<std::string> keys = key_names(view);
  // Not row_number() = 1, for which the engine turns a -0.0 into 0.0: docs/bugs.md.
  return " QUALIFY known_time = max(known_time) OVER (" +
         (keys.empty() ? "" : "PARTITION BY " + column_list(keys)) + ")";
}

Result<GoldTask> make_gold_task(Workspace& workspace, const std::string& view_name) {
  GoldTask task;
  ASSAY_ASSIGN_OR_RETURN(task.view, workspace.view(view_name));
  const std::string& from = workspace.project().views.at(view_name).from;
  ASSAY_ASSIGN_OR_RETURN(task.source_key, workspace.source_table_key(from));
  ASSAY_ASSIGN_OR_RETURN(task.source, workspace.table(task.source_key));
  ASSAY_ASSIGN_OR_RETURN(const std::string steps_key, workspace.steps_table_key(*task.view));
  lake::TableSpec spec{steps_key, task.view->steps_schema(), {gold::kFeatureDate}};
  std::string& sorted = spec.properties[std::string(lake::kSortProperty)];
  for (const data::Field& key : task.view->keys()) {
    sorted += key.name + ",";
  }
  // As the rows come; compaction keeps it.
  sorted += std::string(gold::kEventTime) + "," + gold::kKnownTime;
  ASSAY_ASSIGN_OR_RETURN(task.steps, workspace.open_or_create_table(steps_key, spec));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot());
  task.source_version = snapshot->version;
  task.app_id = workspace.app_id(steps_key);
  ASSAY_ASSIGN_OR_RETURN(task.frontier, workspace.frontier(from, *snapshot));
  return task;
}

namespace {

constexpr char kSeedTable[] = "assay_gold_seed";
constexpr char kRowsTable[] = "assay_gold_rows";
constexpr char kPart[] = "assay_part";
/// So many parts at most are each read from the lake, which takes no room; of a table of changes,
/// whose versions are found anew each time, one.
constexpr int64_t kReadsMax = 8;

/// The part of a row's entity; keys may have other types in the source.
std::string part_of(const gold::FeatureView& view, int64_t count) {
  std::string keys;
  for (const data::Field& key : view.keys()) {
    keys += std::string(keys.empty() ? "" : ", ") + "CAST(" +
            data::SqlEngine::identifier(key.name) + " AS " + data::SqlEngine::sql_type(key.type) +
            ")";
  }
  return "hash(" + keys + ") % " + std::to_string(count);
}

/// A query of each entity's last final step before `begin`.
Result<std::string> seed_query(const GoldTask& task, EventTime begin) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.steps->snapshot());
  ASSAY_ASSIGN_OR_RETURN(
      const std::string relation,
      task.steps->relation(*snapshot, "known_time < " + timestamp_literal(begin)));
  return "SELECT " + column_list(task.view->steps_schema()->names()) + " FROM " + relation +
         last_of_each_entity(*task.view);
}

/// Of a table of changes: its versions within reach that stand at `begin` or come later; of
/// entities with a row that is replaced in the range all that stand, since an older one may be the
/// newest.
std::string versions_query(const GoldTask& task,
                           const std::string& relation,
                           EventTime begin,
                           EventTime end,
                           EventTime reach) {
  const std::string columns = column_list(task.view->source_columns());
  const std::string before_end =
      end == EventTime::max() ? "true" : "event_time < " + timestamp_literal(end);
  if (begin == EventTime::min()) {
    return "SELECT " + columns + " FROM " + visible_rows(relation, true) + " WHERE " + before_end;
  }
  const std::string from = timestamp_literal(begin);
  return "WITH versions AS MATERIALIZED (SELECT " + columns + " FROM " +
         visible_rows(relation, true) + " WHERE replaced_time IS NULL OR replaced_time >= " + from +
         "), touched AS (SELECT DISTINCT " + select_keys(*task.view) +
         ", true AS assay_touched FROM versions WHERE replaced_time IS NOT NULL AND"
         " replaced_time < " +
         timestamp_literal(end) + ") SELECT " + columns + " FROM versions LEFT JOIN touched" +
         join_by_keys(*task.view) + " WHERE (assay_touched OR event_time >= " +
         timestamp_literal(reach) + " OR known_time >= " + from + ") AND " + before_end;
}

/// A query of the source rows that can matter to steps in [begin, end).
Result<std::string> source_query(const GoldTask& task, EventTime begin, EventTime end) {
  const EventTime reach =
      back_by(begin, {task.view->window_max().micros + task.view->slide().micros});
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  if (task.view->of_changes()) {
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, task.source->relation(*snapshot));
    return versions_query(task, relation, begin, end, reach);
  }
  std::string where;
  if (begin != EventTime::min()) {
    where = "(event_time >= " + timestamp_literal(reach) +
            " OR known_time >= " + timestamp_literal(begin) + ")";
  }
  if (end != EventTime::max()) {
    where += std::string(where.empty() ? "" : " AND ") + "event_time < " + timestamp_literal(end);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, task.source->relation(*snapshot, where));
  return "SELECT " + column_list(task.view->source_columns()) + " FROM " + relation;
}

/// How many source rows matter, or more: versions of a table of changes are not looked for.
Result<int64_t> count_source_rows(Workspace& workspace,
                                  const GoldTask& task,
                                  EventTime begin,
                                  EventTime end,
                                  int64_t rows_max) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  if (snapshot->rows() <= rows_max || task.view->of_changes()) {
    return snapshot->rows();
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string query, source_query(task, begin, end));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch count,
                         workspace.sql().query("SELECT count(*) AS n FROM (" + query + ")"));
  return count.column(0).values<int64_t>()[0];
}

}  // namespace

Result<data::Batch> read_seed(Workspace& workspace, const GoldTask& task, EventTime begin) {
  if (begin == EventTime::min()) {
    return data::Batch::empty(task.view->steps_schema());
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string query, seed_query(task, begin));
  return workspace.sql().query(query);
}

Result<data::Batch> read_source_rows(Workspace& workspace,
                                     const GoldTask& task,
                                     EventTime begin,
                                     EventTime end) {
  ASSAY_ASSIGN_OR_RETURN(const std::string query, source_query(task, begin, end));
  return workspace.sql().query(query);
}

Result<EntityParts> EntityParts::open(Workspace& workspace,
                                      const GoldTask& task,
                                      EventTime begin,
                                      EventTime end,
                                      int64_t rows_max) {
  EntityParts parts(workspace, task, begin, end);
  if (task.view->keys().empty()) {
    return parts;
  }
  ASSAY_ASSIGN_OR_RETURN(const int64_t rows,
                         count_source_rows(workspace, task, begin, end, rows_max));
  parts.count_ = std::max<int64_t>(1, (rows + rows_max - 1) / rows_max);
  if (parts.count_ == 1) {
    return parts;
  }
  data::SqlEngine& sql = workspace.sql();
  const std::string make = "CREATE OR REPLACE TEMP TABLE ";
  if (begin != EventTime::min()) {
    ASSAY_ASSIGN_OR_RETURN(const std::string query, seed_query(task, begin));
    ASSAY_RETURN_IF_ERROR(sql.execute(make + kSeedTable + " AS " + query));
  }
  parts.has_table_ = parts.count_ > (task.view->of_changes() ? 1 : kReadsMax);
  if (parts.has_table_) {
    ASSAY_ASSIGN_OR_RETURN(const std::string query, source_query(task, begin, end));
    ASSAY_RETURN_IF_ERROR(sql.execute(make + kRowsTable + " AS SELECT *, " +
                                      part_of(*task.view, parts.count_) + " AS " + kPart +
                                      " FROM (" + query + ") ORDER BY " + kPart));
  }
  return parts;
}

Result<data::Batch> EntityParts::seed(int64_t part) const {
  if (count_ == 1 || begin_ == EventTime::min()) {
    return read_seed(*workspace_, *task_, begin_);
  }
  return workspace_->sql().query("SELECT " + column_list(task_->view->steps_schema()->names()) +
                                 " FROM " + kSeedTable + " WHERE " +
                                 part_of(*task_->view, count_) + " = " + std::to_string(part));
}

Result<data::Batch> EntityParts::rows(int64_t part) const {
  if (count_ == 1) {
    return read_source_rows(*workspace_, *task_, begin_, end_);
  }
  const std::string columns = column_list(task_->view->source_columns());
  if (has_table_) {
    return workspace_->sql().query("SELECT " + columns + " FROM " + kRowsTable + " WHERE " + kPart +
                                   " = " + std::to_string(part));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string query, source_query(*task_, begin_, end_));
  return workspace_->sql().query("SELECT " + columns + " FROM (" + query + ") WHERE " +
                                 part_of(*task_->view, count_) + " = " + std::to_string(part));
}

Status EntityParts::close() {
  if (count_ > 1 && begin_ != EventTime::min()) {
    ASSAY_RETURN_IF_ERROR(workspace_->sql().drop_table(kSeedTable));
  }
  return has_table_ ? workspace_->sql().drop_table(kRowsTable) : Status();
}

Result<std::vector<EventTime>> chunk_ends(
    Workspace& workspace, const GoldTask& task, EventTime begin, EventTime end, int64_t rows_max) {
  std::vector<EventTime> ends;
  if (end == EventTime::min()) {
    return ends;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, task.source->snapshot(task.source_version));
  if (snapshot->rows() <= rows_max) {
    return ends;
  }
  ASSAY_ASSIGN_OR_RETURN(
      const std::string relation,
      task.source->relation(*snapshot, "event_time >= " + timestamp_literal(begin)));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch days,
      workspace.sql().query("SELECT CAST(event_time AS DATE) AS day, count(*) AS n FROM " +
                            relation + " GROUP BY day ORDER BY day"));
  int64_t rows = 0;
  for (int64_t i = 0; i < days.rows(); ++i) {
    const EventTime day{days.column(0).values<int32_t>()[static_cast<std::size_t>(i)] *
                        kMicrosPerDay};
    const int64_t count = days.column(1).values<int64_t>()[static_cast<std::size_t>(i)];
    if (rows > 0 && rows + count > rows_max && begin < day && day < end) {
      ends.push_back(day);
      rows = 0;
    }
    rows += count;
  }
  return ends;
}

}  // namespace assay::flow
