#pragma once

#include <string>
#include <vector>

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

/// The same of many files, in their order. One statement reads a good number of them, and each
/// alone only where one of them cannot be read.
std::vector<Result<std::string>> statistics_lies(data::SqlEngine& sql,
                                                 DeltaTable& table,
                                                 const Snapshot& snapshot,
                                                 const std::vector<DataFile>& files);

}  // namespace assay::lake
