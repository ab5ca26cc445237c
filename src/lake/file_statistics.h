#pragma once

#include <string>

#include "data/parquet_file.h"
#include "data/schema.h"

namespace assay::lake {

/// Statistics of a Parquet file that we wrote as Delta's `stats` JSON. `schema` is the file's.
///
/// Errors  kInvalidArgument: a null in a column that is not nullable, a date or timestamp outside
///         years 0001 to 9999; the column is named.
Result<std::string> file_statistics_json(const data::Schema& schema, const data::ParquetFile& file);

}  // namespace assay::lake
