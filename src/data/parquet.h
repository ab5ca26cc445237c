#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "data/batch.h"
#include "data/sql_engine.h"

// Whole tables in single files, by the SQL engine. Paths are taken as they are: no globs.

namespace assay::data {

/// A column of rows that a COPY writes to Parquet, as SQL: arrays of a size as lists, also inside
/// others, since Arrow's readers refuse the engine's files of arrays with nulls (docs/bugs.md).
std::string stored_column(const Field& field);
/// All of them, to stand after SELECT; "*" where none needs a cast.
std::string stored_columns(const Schema& schema);

/// What a COPY to Parquet needs so that zeros keep their signs: ", DICTIONARY_SIZE_LIMIT 0" for
/// rows with a -0.0, else "". DuckDB's dictionaries take -0.0 and 0.0 for one value (docs/bugs.md).
std::string zero_sign_option(const Batch& batch);
/// The same for rows of this schema that nobody has seen: any floating-point column may hold one.
std::string zero_sign_option(const Schema& schema);
/// The same for the rows that a query gives; it is run over their floating-point columns.
Result<std::string> zero_sign_option(SqlEngine& engine,
                                     const Schema& schema,
                                     const std::string& query);

/// Columns of a Parquet file, from its footer; all nullable.
///
/// Errors  kNotFound, kCorrupt; kInvalidArgument names a column of a type that a batch cannot hold.
Result<SchemaPtr> parquet_schema(SqlEngine& engine, const std::string& path);

/// Rows of a Parquet file from row `first_row` on, in file order, in batches of about `rows_max`;
/// columns of types that a batch does not know come as text. The engine runs nothing else until the
/// reader is gone.
///
/// Errors  kNotFound, kCorrupt, kResourceExhausted; also from the reader, behind rows before the
/// damage.
Result<std::unique_ptr<BatchReader>> stream_parquet(SqlEngine& engine,
                                                    const std::string& path,
                                                    int64_t first_row,
                                                    int64_t rows_max);

/// Rows of a file, in file order. The suffix tells its format: .parquet, .csv (with a header),
/// .json, .jsonl or .ndjson (an object a line, or one array of them).
///
/// Types   as declared in Parquet; guessed from CSV and JSON, where what a batch cannot hold is
/// text. Nulls   an empty CSV cell is null. Errors  kNotFound, kCorrupt, kResourceExhausted;
/// kInvalidArgument: another suffix.
Result<Batch> read_file(SqlEngine& engine, const std::string& path);

/// SQL that gives the rows of one file, to stand after FROM; the suffix tells its format as in
/// read_file. kInvalidArgument: another suffix.
Result<std::string> file_relation(const std::string& path);

/// Write the rows of a reader as one file, in order, replacing what is there: .parquet (snappy, one
/// row group for each batch of kRowGroupRows rows) or .csv (as write_csv). Equal batches give equal
/// bytes.
///
/// Errors  kInvalidArgument: another suffix; those of the reader; kResourceExhausted: disk.
/// Cost    memory: some batches and row groups.
inline constexpr int64_t kRowGroupRows = 122'880;
Status write_stream(SqlEngine& engine, BatchReader& rows, const std::string& path);

/// Write a batch as one Parquet file (zstd), in row order, replacing what is there.
Status write_parquet(SqlEngine& engine, const Batch& batch, const std::string& path);
/// Write a batch as CSV with a header, in row order; times as 2001-01-31T10:00:00.000000Z.
Status write_csv(SqlEngine& engine, const Batch& batch, const std::string& path);

}  // namespace assay::data
