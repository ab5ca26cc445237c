#include "lake/sql_catalog.h"

namespace assay::lake {
namespace {

using data::SqlEngine;

/// "lake.bronze.flights" of "bronze/flights"; a table at the root lies in schema main.
struct SqlName {
  std::string schema;
  std::string view;
};

SqlName sql_name(const std::string& key) {
  const std::size_t slash = key.find('/');
  const std::string zone = slash == std::string::npos ? "main" : key.substr(0, slash);
  const std::string rest = slash == std::string::npos ? key : key.substr(slash + 1);
  const std::string schema = "lake." + SqlEngine::identifier(zone);
  return {schema, schema + "." + SqlEngine::identifier(rest)};
}

Status register_table(World& world,
                      store::ObjectStore& store,
                      SqlEngine& sql,
                      const std::string& key,
                      const SqlName& name) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<DeltaTable> table,
                         DeltaTable::open(world, store, sql, key));
  ASSAY_ASSIGN_OR_RETURN(const std::shared_ptr<const Snapshot> snapshot, table->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, table->relation(*snapshot));
  ASSAY_RETURN_IF_ERROR(sql.execute("CREATE SCHEMA IF NOT EXISTS " + name.schema));
  return sql.execute("CREATE OR REPLACE VIEW " + name.view + " AS SELECT * FROM " + relation);
}

}  // namespace

Result<std::vector<CatalogTable>> register_tables(World& world,
                                                  store::ObjectStore& store,
                                                  SqlEngine& sql) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> keys, list_tables(store));
  ASSAY_RETURN_IF_ERROR(sql.execute("DETACH DATABASE IF EXISTS lake; ATTACH ':memory:' AS lake"));
  std::vector<CatalogTable> tables;
  for (const std::string& key : keys) {
    const SqlName name = sql_name(key);
    tables.push_back({key, name.view, register_table(world, store, sql, key, name)});
  }
  return tables;
}

}  // namespace assay::lake
