#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lake/delta_table.h"
#include "lake/lake_access.h"

namespace assay::lake {

/// SQL text, in parentheses, of the table's columns over these files, as DeltaTable::relation_of,
/// good until data::drop_row_sources(). Where `many` or more are small and we wrote some of them,
/// it reads them by ourselves while the statement runs, on the engine's threads, and only the
/// columns that the statement needs. What another writer made, lacks columns or is damaged is read
/// by an SQL engine of its own, run by run. `lake` outlives the statement.
///
/// Errors  those of DeltaTable::relation_of; when the SQL runs, those of the store and of SQL.
/// Cost    memory beside the SQL engine's, all threads together: a sixteenth of it for files (at
///         least 16 MiB a thread), and at most an eighth (32 MiB) where files of others are among
///         them; from a bucket 2 MiB a thread of files that were fetched ahead. Three files are
///         looked at to see whose they are.
Result<std::string> scan_relation(const LakeAccess& lake,
                                  DeltaTable& table,
                                  std::shared_ptr<const Snapshot> snapshot,
                                  const std::vector<DataFile>& files,
                                  std::size_t many = 32);

}  // namespace assay::lake
