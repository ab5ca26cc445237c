#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/sql_engine.h"

namespace assay::data {

/// A table whose rows the program reads, for statements of an SQL engine: as often and on as many
/// threads as the engine likes, and only the columns that a statement needs.
///
/// Threads thread-safe.
class SqlRowSource {
 public:
  virtual ~SqlRowSource() = default;
  [[nodiscard]] virtual const SchemaPtr& schema() const = 0;
  /// About how many, for the engine's plans.
  [[nodiscard]] virtual int64_t rows() const = 0;
  /// How many readers at a time are of use.
  [[nodiscard]] virtual int64_t readers_max() const = 0;

  /// Gives a reader to each thread that asks for one; together they give each row once. Outlives
  /// its readers.
  using Scan = std::function<std::unique_ptr<BatchReader>()>;
  /// Of the columns with these ascending numbers, perhaps of none.
  virtual Scan scan(const std::vector<int>& columns) = 0;
};

/// SQL text of a table with the rows of a source, usable after FROM, until drop_row_sources(). A
/// failure of a reader is that of the statement, as it is.
///
/// Errors  kFailedPrecondition: an open reader holds the engine.
/// Cost    rows are copied into the engine's vectors, 2048 at a time.
Result<std::string> add_row_source(SqlEngine& engine, std::shared_ptr<SqlRowSource> source);

/// Forget the sources of an engine; statements that run keep theirs.
void drop_row_sources(SqlEngine& engine);

}  // namespace assay::data
