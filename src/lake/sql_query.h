#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "lake/sql_catalog.h"
#include "store/object_store.h"

namespace assay::lake {

/// What a query reads of one table, and why.
struct TableUse {
  std::string name;  // lake.bronze.flights
  std::string key;
  Version version = 0;
  int64_t files_total = 0;
  int64_t files_opened = 0;
  int64_t bytes_total = 0;
  int64_t bytes_opened = 0;
  std::string why;
};

/// A statement ready to run on the engine that it was planned with.
struct PlannedSql {
  std::string text;
  std::vector<TableUse> tables;       // that the statement names, in order of their names
  std::vector<std::string> warnings;  // tables left out because they cannot be read
};

/// Make the tables that a statement names views of the engine, each over the files that the
/// statement can need: the engine's own optimizer says which conditions reach which table, and
/// partition values and file statistics which files may fulfil them. Written behind a table's name,
/// `VERSION AS OF 12` and `TIMESTAMP AS OF '...'` read an older version (`names_in_sql` has the
/// forms). What was under `lake` before is replaced.
///
/// Time    TIMESTAMP AS OF: the newest version committed at or before it; UTC unless it says else.
/// Errors  kInvalidArgument: SQL that does not parse or bind, with the engine's own pointer into
/// the
///         statement; kNotFound: a version that is no more; those of opening a table named.
/// Threads as SqlEngine. Cost one look at each file's statistics of the tables named.
/// Source  docs/decisions/0030-pruning-by-the-engines-plan.md
Result<PlannedSql> plan_sql(World& world,
                            store::ObjectStore& store,
                            data::SqlEngine& sql,
                            const std::vector<SqlTable>& tables,
                            const std::string& statement);

}  // namespace assay::lake
