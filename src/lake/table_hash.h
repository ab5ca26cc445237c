#pragma once

#include <cstdint>

#include "data/sql_engine.h"
#include "lake/delta_table.h"

namespace assay::lake {

/// Hash of the multiset of rows of the table's newest version: equal for equal rows in any order,
/// in any files and batches. The rule per row is data::content_hash's.
///
/// Threads as DeltaTable. Cost one pass over all rows; memory of one batch.
Result<uint64_t> table_content_hash(DeltaTable& table, data::SqlEngine& sql);

}  // namespace assay::lake
