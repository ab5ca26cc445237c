#pragma once

#include <string>
#include <vector>

#include "data/schema.h"
#include "lake/json_value.h"

namespace assay::lake {

/// Statistics of one Parquet file as Delta's `stats` JSON, from what the SQL engine says of the
/// file that it wrote (COPY ... RETURN_STATS): an object of columns, each with its `min`, `max`,
/// `null_count` and `has_nan` as texts. Columns in `left_out` have none. Members of structs are
/// told as their own columns are, lists and maps not at all: readers use none of it.
///
/// Where the engine cut a text, the bounds are a little wider.
/// Errors  kInvalidArgument: a null in a column that is not nullable, a date or timestamp outside
///         years 0001 to 9999; the column is named. kCorrupt: an answer of another shape.
Result<std::string> copy_statistics_json(const JsonValue& columns,
                                         int64_t rows,
                                         const data::Schema& schema,
                                         const std::vector<std::string>& left_out);

}  // namespace assay::lake
