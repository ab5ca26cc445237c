#pragma once

#include <string>
#include <vector>

#include "store/object_store.h"

namespace assay::lake {

/// A table of the lake as SQL calls it: lake.<schema>.<name>.
struct SqlTable {
  std::string schema;
  std::string name;
  std::string key;  // "bronze/flights"
};

/// Names of all tables of the store, sorted by key: "bronze/flights" is lake.bronze.flights, a
/// table at the root lake.main.x. Deeper keys keep their rest as one name: lake.learn."runs/1".
Result<std::vector<SqlTable>> sql_tables(store::ObjectStore& store);

/// lake.bronze.flights, quoted where SQL needs it.
std::string sql_name(const SqlTable& table);

}  // namespace assay::lake
