#pragma once

#include <string>

#include "data/sql_engine.h"
#include "lake/delta_table.h"

namespace assay::lake {

/// Compare a file's statistics with its rows: what does not hold, in words; "" when all of it does
/// or there are none. A bound wider than the values is right; a narrower one makes readers skip
/// rows.
///
/// Errors  those of reading the file.
Result<std::string> statistics_lie(data::SqlEngine& sql,
                                   DeltaTable& table,
                                   const Snapshot& snapshot,
                                   const DataFile& file);

}  // namespace assay::lake
