#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "data/sql_row_source.h"

// Only duckdb_engine.cc uses it. DuckDB's handles are named without its header.

struct _duckdb_connection;

namespace assay::data {

/// The table function of one database by which statements read row sources.
///
/// Threads thread-safe.
class DuckdbRowSources {
 public:
  DuckdbRowSources();
  ~DuckdbRowSources();

  /// SQL text that reads the source.
  Result<std::string> add(_duckdb_connection* connection, std::shared_ptr<SqlRowSource> source);
  void drop_all();
  /// The first failure of a source since the last call.
  std::optional<Status> take_failure();

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;  // with the database, which may live longer
};

}  // namespace assay::data
