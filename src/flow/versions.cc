#include "flow/versions.h"

#include "catalog/table_schema.h"

namespace assay::flow {

std::string visible_rows(const std::string& relation, bool of_changes) {
  if (!of_changes) {
    return relation;
  }
  return "(SELECT *, lead(known_time) OVER (PARTITION BY " + std::string(catalog::kRowKey) +
         " ORDER BY known_time, sequence) AS " + catalog::kReplacedTime + " FROM " + relation +
         " QUALIFY NOT " + catalog::kIsDeleted + ")";
}

data::Schema visible_schema(const data::Schema& table) {
  std::vector<data::Field> fields = table.fields();
  if (table.find(catalog::kRowKey).has_value()) {
    fields.push_back({catalog::kReplacedTime, data::Type::kTimestamp, true});
  }
  return data::Schema(std::move(fields));
}

std::vector<std::string> key_names(const gold::FeatureView& view) {
  std::vector<std::string> names;
  for (const data::Field& key : view.keys()) {
    names.push_back(key.name);
  }
  return names;
}

std::string keys_not_null(const gold::FeatureView& view) {
  std::string condition;
  for (const std::string& name : key_names(view)) {
    condition +=
        (condition.empty() ? "" : " AND ") + data::SqlEngine::identifier(name) + " IS NOT NULL";
  }
  return condition.empty() ? "true" : condition;
}

std::string select_keys(const gold::FeatureView& view) {
  return view.keys().empty() ? "true AS assay_population" : column_list(key_names(view));
}

std::string join_by_keys(const gold::FeatureView& view) {
  return view.keys().empty() ? " ON true" : " USING (" + column_list(key_names(view)) + ")";
}

Result<data::Batch> read_visible(Workspace& workspace,
                                 const std::string& table,
                                 std::vector<std::string> columns,
                                 const std::string& where,
                                 const std::string& order) {
  const bool of_changes = catalog::is_of_changes(workspace.project(), table);
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.source_table_key(table));
  if (!of_changes) {
    return workspace.read_table(key, column_list(columns), where, order);
  }
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * source, workspace.table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, source->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source->relation(*snapshot));
  return workspace.sql().query(
      "SELECT " + column_list(columns) + " FROM " + visible_rows(relation, true) +
      (where.empty() ? "" : " WHERE " + where) + (order.empty() ? "" : " ORDER BY " + order));
}

}  // namespace assay::flow
