#pragma once

#include <string>
#include <vector>

#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay::lake {

/// SQL text, in parentheses, of the table's columns over these files, each cast to its declared
/// type.
///
/// Nulls   a column that a file does not have; all columns of no files give no rows.
/// Errors  kUnimplemented: a path that the SQL engine would take for a pattern.
Result<std::string> files_relation(const store::ObjectStore& store,
                                   const std::string& key,
                                   const Snapshot& snapshot,
                                   const std::vector<const DataFile*>& files);

}  // namespace assay::lake
