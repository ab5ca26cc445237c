#pragma once

#include <string>
#include <vector>

#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay::lake {

struct CatalogTable {
  std::string key;       // "bronze/flights"
  std::string sql_name;  // lake.bronze.flights, quoted where SQL needs it
  Status status;         // why it cannot be read; such a table has no view
};

/// Make every table of the store a view of the SQL engine: the newest version of "bronze/flights"
/// is lake.bronze.flights. Deeper keys keep their rest as one name: lake.learn."runs/1". What was
/// there before under `lake` is replaced.
///
/// Shape   one entry per table, sorted by key, those included that cannot be read.
/// Errors  those of listing the store; one bad table does not hide the others.
/// Threads as SqlEngine. The views show the versions of this moment.
Result<std::vector<CatalogTable>> register_tables(World& world,
                                                  store::ObjectStore& store,
                                                  data::SqlEngine& sql);

}  // namespace assay::lake
