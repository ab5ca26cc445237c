// An online row cannot give back a row that was folded in. So when one goes, its entity's row is
// made anew from the source, which has them all; entities that only gain rows are not touched.

#include "flow/online_changes.h"

#include <algorithm>
#include <set>

#include "catalog/table_schema.h"
#include "flow/versions.h"

namespace assay::flow {
namespace {

constexpr char kAnew[] = "assay_anew";
constexpr char kTouched[] = "assay_touched_entities";

/// Rows with the column kAnew: the entities where it is true, and the rows without it.
Result<OnlineChanges> split_anew(const gold::FeatureView& view, const data::Batch& found) {
  OnlineChanges changes;
  std::vector<const data::Column*> keys;
  for (const std::string& name : key_names(view)) {
    keys.push_back(found.find(name));
  }
  const data::Column* anew = found.find(kAnew);
  std::set<data::EntityKey> entities;
  for (int64_t row = 0; row < found.rows(); ++row) {
    const std::optional<data::EntityKey> key = data::encode_key(keys, row);
    if (key.has_value() && anew->is_valid(row)) {
      entities.insert(*key);
    }
  }
  changes.anew.assign(entities.begin(), entities.end());
  ASSAY_ASSIGN_OR_RETURN(changes.rows, found.select(view.source_columns()));
  return changes;
}

}  // namespace

bool takes_rows_one_by_one(Workspace& workspace, const gold::FeatureView& view) {
  const std::vector<catalog::FeatureDef>& features =
      workspace.project().views.at(view.name()).features;
  return !view.of_changes() &&
         std::all_of(features.begin(), features.end(), [](const catalog::FeatureDef& feature) {
           return feature.kind == catalog::FeatureDef::Kind::kLatest;
         });
}

int64_t rows_without_entity(const gold::FeatureView& view, const data::Batch& rows) {
  std::vector<const data::Column*> keys;
  for (const data::Field& key : view.keys()) {
    keys.push_back(rows.find(key.name));
  }
  const auto has_null = [&](int64_t row) {
    return std::any_of(
        keys.begin(), keys.end(), [&](const data::Column* key) { return key->is_null(row); });
  };
  int64_t count = 0;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    count += has_null(row) ? 1 : 0;
  }
  return count;
}

std::string select_online_rows(Workspace& workspace,
                               const gold::FeatureView& view,
                               const std::string& relation,
                               const std::string& where) {
  return "SELECT " + column_list(view.source_columns()) + " FROM " + relation +
         (where.empty() ? "" : " WHERE " + where) +
         (takes_rows_one_by_one(workspace, view) ? "" : " ORDER BY sequence");
}

Result<OnlineChanges> online_versions(Workspace& workspace,
                                      const gold::FeatureView& view,
                                      lake::DeltaTable& source,
                                      const lake::Snapshot& snapshot,
                                      const std::vector<lake::DataFile>& added) {
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source.relation(snapshot));
  ASSAY_ASSIGN_OR_RETURN(const std::string fresh, source.relation_of(snapshot, added));
  const std::string keys = select_keys(view);
  const std::string columns = column_list(view.source_columns());
  const std::string row_key = catalog::kRowKey;
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch counts,
      workspace.sql().query("SELECT count(*) AS n, count(*) FILTER (WHERE " +
                            std::string(catalog::kIsDeleted) + " OR NOT (" + keys_not_null(view) +
                            ")) AS without FROM " + fresh));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch found,
      workspace.sql().query(
          "WITH fresh AS MATERIALIZED (SELECT " + row_key + " AS fresh_key, sequence FROM " +
          fresh + "), versions AS MATERIALIZED (SELECT " + columns + ", " + row_key +
          " IN (SELECT fresh_key FROM fresh) AS is_fresh FROM " + visible_rows(relation, true) +
          "), touched AS (SELECT DISTINCT " + keys + ", true AS " + kAnew +
          " FROM versions WHERE is_fresh AND replaced_time IS NOT NULL) SELECT " + columns + ", " +
          kAnew + " FROM versions LEFT JOIN touched" + join_by_keys(view) + " WHERE " + kAnew +
          " OR (is_fresh AND sequence IN (SELECT sequence FROM fresh)) ORDER BY sequence"));
  ASSAY_ASSIGN_OR_RETURN(OnlineChanges changes, split_anew(view, found));
  changes.account.in = counts.column(0).values<int64_t>()[0];
  changes.account.filtered = counts.column(1).values<int64_t>()[0];
  changes.account.out = changes.account.in - changes.account.filtered;
  return changes;
}

Result<OnlineChanges> online_taken_back(Workspace& workspace,
                                        const gold::FeatureView& view,
                                        lake::DeltaTable& source,
                                        const lake::Snapshot& snapshot,
                                        const std::vector<lake::FileChange>& files) {
  std::vector<std::string> stored;  // columns that the table has
  for (const std::string& name : view.source_columns()) {
    if (name != gold::kReplacedTime) {
      stored.push_back(name);
    }
  }
  if (view.of_changes()) {
    stored.insert(stored.end(), {catalog::kRowKey, catalog::kIsDeleted});
    std::sort(stored.begin(), stored.end());
    stored.erase(std::unique(stored.begin(), stored.end()), stored.end());
  }
  const std::string keys = select_keys(view);
  ASSAY_ASSIGN_OR_RETURN(const std::string changed, source.relation_of_changes(snapshot, files));
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source.relation(snapshot));
  const std::string visible = visible_rows(relation, view.of_changes());
  // A row that was rewritten as it was is in it twice.
  std::string touched = "WITH gone_or_come AS MATERIALIZED (SELECT " + column_list(stored) +
                        ", count(*) FILTER (WHERE _change_type = 'insert') AS inserts FROM " +
                        changed + " GROUP BY ALL HAVING inserts * 2 <> count(*)) SELECT " + keys +
                        " FROM gone_or_come WHERE " + keys_not_null(view);
  if (view.of_changes()) {
    touched += " UNION SELECT " + keys + " FROM " + visible + " WHERE " + keys_not_null(view) +
               " AND row_key IN (SELECT row_key FROM gone_or_come)";
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch entities,
                         workspace.sql().query("SELECT DISTINCT * FROM (" + touched + ")"));
  OnlineChanges changes;
  std::vector<const data::Column*> columns;
  for (const std::string& name : key_names(view)) {
    columns.push_back(entities.find(name));
  }
  changes.anew = data::index_entities(columns, entities.rows()).keys;
  std::sort(changes.anew.begin(), changes.anew.end());
  ASSAY_RETURN_IF_ERROR(workspace.sql().create_table(kTouched, entities));
  Result<data::Batch> rows =
      workspace.sql().query("SELECT " + column_list(view.source_columns()) + " FROM " + visible +
                            " SEMI JOIN " + kTouched + join_by_keys(view) + " ORDER BY sequence");
  ASSAY_RETURN_IF_ERROR(workspace.sql().drop_table(kTouched));
  ASSAY_ASSIGN_OR_RETURN(changes.rows, std::move(rows));
  changes.account.in = changes.rows.rows();
  changes.account.out = changes.account.in;
  return changes;
}

}  // namespace assay::flow
