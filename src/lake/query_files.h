#pragma once

#include <vector>

#include "data/schema.h"
#include "lake/parquet_files.h"

namespace assay::lake {

/// How rows lie in each file where a query has no order of its own.
enum class RowOrder { kAnyhow, kAsTheyCome };

/// Write the rows of a query as Parquet files, straight from the SQL engine. Durable at return.
///
/// Shape   one file or more per partition value, as the engine's threads make them; with an order,
///         one per partition value unless there are more than a hundred of them, sorted.
/// Nulls   an empty text in a partition column becomes null.
/// Errors  those of the query; as write_parquet_files, where rows are judged by the statistics of
///         the files. Nothing stays on the disk then.
/// Cost    memory is the SQL engine's, which spills.
Result<std::vector<DataFile>> write_query_files(const ParquetTarget& target,
                                                const data::Schema& schema,
                                                const QueryRows& rows,
                                                RowOrder order = RowOrder::kAnyhow);

}  // namespace assay::lake
