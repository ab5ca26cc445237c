#pragma once

#include <string>
#include <vector>

#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay::lake {

/// SQL text, in parentheses, of the table's columns over these files, each of its declared type;
/// rows that deletion vectors delete are not in it.
///
/// Nulls   a column, or a field of a struct, that a file does not have; no files give no rows.
/// Errors  those of read_deletion_vector, with the data file's path; kCorrupt: a table that maps
///         columns by id and a file without ids. A data file that is missing or damaged shows when
///         the SQL runs.
Result<std::string> files_relation(store::ObjectStore& store,
                                   data::SqlEngine& sql,
                                   const std::string& key,
                                   const Snapshot& snapshot,
                                   const std::vector<const DataFile*>& files);

/// The same without the partition columns, file after file in the order of `files`. Their rows come
/// in the same order each time; none of the files may have deleted rows.
Result<std::string> stored_relation(store::ObjectStore& store,
                                    data::SqlEngine& sql,
                                    const std::string& key,
                                    const Snapshot& snapshot,
                                    const std::vector<const DataFile*>& files);

/// The same over the rows of changes, and after the table's columns _change_type ('insert' or
/// 'delete') and _commit_version.
///
/// Errors  as files_relation; kFailedPrecondition: a table with a column of such a name.
Result<std::string> changes_relation(store::ObjectStore& store,
                                     data::SqlEngine& sql,
                                     const std::string& key,
                                     const Snapshot& snapshot,
                                     const std::vector<FileChange>& changes);

}  // namespace assay::lake
