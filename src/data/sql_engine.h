#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/batch.h"

namespace assay::data {

struct SqlOptions {
  int threads = 2;
  std::size_t memory_bytes_max = std::size_t{2} << 30;
  /// Folder to spill to; "" means nothing may spill.
  std::string temp_directory;
  /// TIMESTAMP is kTimestampNtz; else it is taken as UTC and is kTimestamp.
  bool keep_timestamp_ntz = false;
};

/// What to do with result columns of types that Batch does not know (HUGEINT, INTERVAL, TIME, ENUM,
/// UNION, ...; also inside a list or struct): fail with the column's name, or give them as text,
/// lists, structs, maps and unions as JSON.
enum class SqlUnknownTypes { kRefuse, kAsText };

/// An in-memory SQL database (DuckDB): Parquet and CSV in and out, SQL over batches.
///
/// Result columns have names that differ also when case is ignored. Every session runs with
/// TimeZone UTC and without extensions from the network. Types are those of sql_type; unsigned
/// integers up to 32 bits are widened; TIMESTAMP WITH TIME ZONE, and TIMESTAMP taken as UTC, are
/// kTimestamp.
/// Errors  kInvalidArgument: SQL that does not parse or bind; kResourceExhausted: memory or disk;
///         kNotFound: a file; kCorrupt: a file that is not what its name says; kCancelled:
///         interrupted.
/// Threads one thread at a time; interrupt() from any thread.
class SqlEngine {
 public:
  static Result<std::unique_ptr<SqlEngine>> open(const SqlOptions& options);
  virtual ~SqlEngine() = default;

  /// What it was opened with: whoever works beside it keeps to the same threads and memory.
  [[nodiscard]] virtual const SqlOptions& options() const = 0;

  /// Run statements without looking at their rows.
  virtual Status execute(const std::string& sql) = 0;
  /// All rows of one statement.
  virtual Result<Batch> query(const std::string& sql,
                              SqlUnknownTypes unknown_types = SqlUnknownTypes::kRefuse) = 0;
  /// Rows of one statement in batches of about `rows_max`; memory is bounded by one batch. The
  /// engine runs nothing else until the reader is gone.
  virtual Result<std::unique_ptr<BatchReader>> stream(
      const std::string& sql,
      int64_t rows_max,
      SqlUnknownTypes unknown_types = SqlUnknownTypes::kRefuse) = 0;
  /// Make or replace the temporary table `name` with these rows. Row order is kept.
  virtual Status create_table(const std::string& name, const Batch& batch) = 0;
  virtual Status drop_table(const std::string& name) = 0;
  /// Stop what runs; it fails with kCancelled.
  virtual void interrupt() = 0;

  /// The SQL type of a column type, e.g. "TIMESTAMP WITH TIME ZONE", "STRUCT(\"a\" BIGINT[])".
  static std::string sql_type(const Type& type);
  /// 'text' with quotes doubled.
  static std::string literal(std::string_view text);
  /// "name" with quotes doubled.
  static std::string identifier(std::string_view name);
};

}  // namespace assay::data
