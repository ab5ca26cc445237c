#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/schema.h"
#include "lake/parquet_files.h"

namespace assay::lake {

/// How rows lie in each file where a query has no order of its own.
enum class RowOrder { kAnyhow, kAsTheyCome };

/// Write the rows of a query as Parquet files. Durable at return.
///
/// Shape   one file per partition value, rows in the query's order. Where a column is nested: as
///         copy_query_files.
/// Nulls   an empty text in a partition column becomes null.
/// Errors  those of the query; as write_parquet_files. Nothing stays on the disk then.
/// Cost    memory: what the SQL engine needs, which spills, and a RowWriter's.
Result<std::vector<DataFile>> write_query_files(const ParquetTarget& target,
                                                const data::Schema& schema,
                                                const QueryRows& rows,
                                                RowOrder order = RowOrder::kAnyhow);

/// Rows of a query under these fields, cast to their types by name; `order` is SQL after ORDER BY.
/// The engine runs nothing else until the reader is gone.
///
/// Errors  those of the query.
Result<std::unique_ptr<data::BatchReader>> stream_rows(data::SqlEngine& sql,
                                                       const data::SchemaPtr& schema,
                                                       const std::string& query,
                                                       const std::string& order = "");

/// Write the rows of a reader, which are flat and of one partition, without its columns.
///
/// Errors  those of the reader; as write_parquet_files. Nothing stays on the disk then.
Result<std::vector<DataFile>> write_streamed_files(const ParquetTarget& target,
                                                   data::BatchReader& rows,
                                                   const std::map<std::string, std::string>& tags,
                                                   const PartitionValues& partition);

/// As write_query_files by the SQL engine alone, for columns of any type.
///
/// Shape   one file or more per partition value, as the engine's threads make them; with an order,
///         one per partition value unless there are more than a hundred of them, sorted.
/// Errors  as write_query_files, where rows are judged by the statistics of the files.
/// Cost    memory is the SQL engine's.
Result<std::vector<DataFile>> copy_query_files(const ParquetTarget& target,
                                               const data::Schema& schema,
                                               const QueryRows& rows,
                                               RowOrder order = RowOrder::kAnyhow);

}  // namespace assay::lake
