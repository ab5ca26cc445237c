// Which entities' answers differ between two states of a steps table. With N the newest rows up to
// now, O those that were there before:
//
//   come = rows of N not in O    from files that only N has, and rows that time has reached
//   gone = rows of O not in N    from files that only O has
//
// An entity's newest row of N is another than that of O exactly if it is in `come`, or if a row in
// `gone` is newer: a row that is in both is not newer in one than in the other.

#include "flow/changed_steps.h"

#include "flow/gold_task.h"
#include "flow/versions.h"

namespace assay::flow {
namespace {

constexpr char kAsked[] = "assay_changed_entities";

/// What changed_steps() needs at every step.
struct Difference {
  Workspace& workspace;
  const gold::FeatureView& view;
  lake::DeltaTable& table;
  const lake::Snapshot& newest;

  [[nodiscard]] std::string columns() const { return column_list(step_names(view)); }
  /// `"a", "b", ` or nothing.
  [[nodiscard]] std::string keys_first() const {
    const std::string keys = column_list(key_names(view));
    return keys + (keys.empty() ? "" : ", ");
  }
  [[nodiscard]] std::string group_by_keys() const {
    const std::string keys = column_list(key_names(view));
    return keys.empty() ? " HAVING count(*) > 0" : " GROUP BY " + keys;
  }
  /// Rows of some files up to an instant.
  [[nodiscard]] Result<std::string> rows_of(const std::vector<lake::DataFile>& files,
                                            EventTime until) const {
    if (files.empty()) {
      ASSAY_ASSIGN_OR_RETURN(const std::string nothing, table.relation(newest, "false"));
      return "SELECT " + columns() + " FROM " + nothing;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table.relation_of(newest, files));
    return "SELECT " + columns() + " FROM " + relation +
           " WHERE known_time <= " + timestamp_literal(until);
  }
};

/// Files of one snapshot that another has not, or has with other rows.
std::vector<lake::DataFile> files_only_of(const lake::Snapshot& one, const lake::Snapshot& other) {
  std::vector<lake::DataFile> files;
  for (const auto& [path, file] : one.files) {
    if (!other.files.contains(path) ||
        other.files.at(path).deletion_vector != file.deletion_vector) {
      files.push_back(file);
    }
  }
  return files;
}

}  // namespace

Result<std::shared_ptr<const lake::Snapshot>> state_at(Workspace& workspace,
                                                       lake::DeltaTable& table,
                                                       lake::Version version) {
  ASSAY_ASSIGN_OR_RETURN(const auto newest, table.snapshot());
  Result<std::shared_ptr<const lake::Snapshot>> state = table.snapshot(version);
  if (state.code() == Code::kNotFound || state.code() == Code::kOutOfRange) {
    return Status(Code::kOutOfRange, state.status().message());
  }
  ASSAY_RETURN_IF_ERROR(state.status());
  for (const lake::DataFile& file : files_only_of(**state, *newest)) {
    const Result<store::ObjectInfo> found = workspace.store().stat(table.key() + "/" + file.path);
    if (found.code() == Code::kNotFound) {
      return Status(
          Code::kOutOfRange,
          "files of version " + std::to_string(version) + " of " + table.key() + " are vacuumed");
    }
    ASSAY_RETURN_IF_ERROR(found.status());
  }
  return state;
}

namespace {

/// Make the table of entities that may differ: when their newest row in `come` begins, and their
/// newest one in `gone`. Gives the instant from which on rows have to be looked at.
Result<EventTime> find_entities(const Difference& at,
                                const lake::Snapshot& before,
                                EventTime before_as_of,
                                EventTime as_of) {
  ASSAY_ASSIGN_OR_RETURN(const std::string added,
                         at.rows_of(files_only_of(at.newest, before), as_of));
  ASSAY_ASSIGN_OR_RETURN(const std::string removed,
                         at.rows_of(files_only_of(before, at.newest), before_as_of));
  ASSAY_ASSIGN_OR_RETURN(const std::string reached,
                         at.table.relation(at.newest,
                                           "known_time > " + timestamp_literal(before_as_of) +
                                               " AND known_time <= " + timestamp_literal(as_of)));
  ASSAY_RETURN_IF_ERROR(at.workspace.sql().execute(
      "CREATE OR REPLACE TEMP TABLE " + std::string(kAsked) + " AS WITH added AS (" + added +
      "), removed AS (" + removed +
      "), come AS ((SELECT * FROM added EXCEPT ALL SELECT * FROM removed) UNION ALL SELECT " +
      at.columns() + " FROM " + reached +
      "), gone AS (SELECT * FROM removed EXCEPT ALL SELECT * FROM added) SELECT " +
      at.keys_first() + "max(known_time) FILTER (WHERE is_come) AS came, " +
      "max(known_time) FILTER (WHERE NOT is_come) AS went FROM (SELECT " + at.keys_first() +
      "known_time, true AS is_come FROM come UNION ALL SELECT " + at.keys_first() +
      "known_time, false FROM gone)" + at.group_by_keys()));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch bounds,
      at.workspace.sql().query("SELECT min(came) AS first, count(*) FILTER (WHERE came IS NULL) AS "
                               "unknown FROM " +
                               std::string(kAsked)));
  if (bounds.column(1).values<int64_t>()[0] > 0) {
    return EventTime::min();  // an entity lost rows and got none: its newest one may be of any age
  }
  const data::Column& first_row = bounds.column(0);
  return first_row.is_valid(0) ? EventTime{first_row.values<int64_t>()[0]} : EventTime::max();
}

}  // namespace

std::vector<std::string> step_names(const gold::FeatureView& view) {
  std::vector<std::string> names = view.steps_schema()->names();
  std::erase(names, std::string(gold::kFeatureDate));
  return names;
}

Result<std::string> changed_steps(Workspace& workspace,
                                  const gold::FeatureView& view,
                                  const std::string& table_key,
                                  const std::optional<StepsAt>& before,
                                  const StepsAt& now) {
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(table_key));
  ASSAY_ASSIGN_OR_RETURN(const auto newest, state_at(workspace, *table, now.version));
  const Difference at{workspace, view, *table, *newest};
  const std::string until = "known_time <= " + timestamp_literal(now.as_of);
  const std::string keys = column_list(key_names(view));
  const std::string in_order = keys.empty() ? "" : " ORDER BY " + keys;
  if (!before) {
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table->relation(*newest, until));
    return "SELECT * FROM (SELECT " + at.columns() + ", false AS is_gone FROM " + relation +
           last_of_each_entity(view) + ") WHERE event_time IS NOT NULL" + in_order;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto old, state_at(workspace, *table, before->version));
  ASSAY_ASSIGN_OR_RETURN(const EventTime first, find_entities(at, *old, before->as_of, now.as_of));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string relation,
      table->relation(*newest,
                      first == EventTime::min()
                          ? until
                          : until + " AND known_time >= " + timestamp_literal(first)));
  const std::string semi_join =
      keys.empty() ? "" : " SEMI JOIN " + std::string(kAsked) + join_by_keys(view);
  return "SELECT " + at.columns() + ", event_time IS NULL AS is_gone FROM " + kAsked +
         " LEFT JOIN (SELECT " + at.columns() + " FROM " + relation + semi_join +
         last_of_each_entity(view) + ") AS answers" + join_by_keys(view) +
         " WHERE known_time IS NULL OR known_time = came OR went > known_time" + in_order;
}

Result<std::optional<std::string>> entities_with_steps(Workspace& workspace,
                                                       const gold::FeatureView& view,
                                                       const std::string& table_key,
                                                       const StepsAt& at) {
  const Result<lake::DeltaTable*> table = workspace.table(table_key);
  if (table.code() == Code::kNotFound) {
    return Status(Code::kOutOfRange, table.status().message());
  }
  ASSAY_RETURN_IF_ERROR(table.status());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, state_at(workspace, **table, at.version));
  for (const data::Field& key : view.keys()) {
    const std::optional<int> column = snapshot->schema->find(key.name);
    if (!column.has_value() || snapshot->schema->field(*column).type != key.type) {
      return std::optional<std::string>();
    }
  }
  ASSAY_ASSIGN_OR_RETURN(
      const std::string relation,
      (*table)->relation(*snapshot, "known_time <= " + timestamp_literal(at.as_of)));
  const std::string keys = column_list(key_names(view));
  return std::optional("SELECT DISTINCT " + select_keys(view) + " FROM (SELECT " + keys +
                       (keys.empty() ? "" : ", ") + "event_time FROM " + relation +
                       last_of_each_entity(view) + ") WHERE event_time IS NOT NULL");
}

Result<std::string> all_steps(Workspace& workspace,
                              const gold::FeatureView& view,
                              const std::string& table_key,
                              const std::vector<std::pair<std::string, StepsAt>>& had,
                              const StepsAt& now) {
  std::string others;
  for (const auto& [key, at] : had) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> entities,
                           entities_with_steps(workspace, view, key, at));
    others += entities.has_value() ? " UNION (" + *entities + ")" : "";
  }
  if (others.empty()) {
    return changed_steps(workspace, view, table_key, std::nullopt, now);
  }
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(table_key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, state_at(workspace, *table, now.version));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string relation,
      table->relation(*snapshot, "known_time <= " + timestamp_literal(now.as_of)));
  const std::string columns = column_list(step_names(view));
  const std::string keys = column_list(key_names(view));
  return "WITH answers AS MATERIALIZED (SELECT " + columns + " FROM " + relation +
         last_of_each_entity(view) + "), entities AS ((SELECT " + select_keys(view) +
         " FROM answers WHERE event_time IS NOT NULL)" + others + ") SELECT " + columns +
         ", event_time IS NULL AS is_gone FROM entities LEFT JOIN answers" + join_by_keys(view) +
         (keys.empty() ? "" : " ORDER BY " + keys);
}

}  // namespace assay::flow
