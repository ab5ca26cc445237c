#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/reject.h"
#include "data/sql_engine.h"

namespace assay::silver {

/// A SELECT that looks at one row of one table at a time.
///
/// Threads immutable; run as its engine is: one thread at a time.
class RowWiseSql {
 public:
  /// Check and bind `sql` over the table `from` with the columns of `input`.
  ///
  /// Errors  kInvalidArgument: what does not parse or bind; another table than `from`; anything that
  ///         looks at more than one row or makes more than one (aggregates, GROUP BY, windows,
  ///         DISTINCT, ORDER BY, LIMIT, joins, set operations, subqueries, WITH, unnest, samples); a
  ///         function that gives another value each time (random, now, ...); a result column of a type
  ///         that tables do not have. The message names the construct and where it stands.
  static Result<RowWiseSql> compile(data::SqlEngine& engine, const std::string& sql,
                                    const std::string& from, const data::Schema& input);

  /// Result columns, all nullable, in the order of the SELECT.
  [[nodiscard]] const data::SchemaPtr& schema() const { return schema_; }
  /// True when the result column of this name is a column of the table as it is (or comes by `*`).
  [[nodiscard]] bool is_plain_column(std::string_view name) const;

  struct Output {
    data::Batch rows;                  // schema()
    std::vector<int64_t> input_rows;   // input row of each, ascending
    data::Rejects rejects;             // input rows whose evaluation failed: kWrongType; ascending
  };
  /// Run over a batch. A row that makes the SQL fail (a cast, say) is found by halving and rejected;
  /// the others go on.
  ///
  /// Errors  as the engine's, save kInvalidArgument at run time.
  /// Cost    one query, and about 2 log2(rows) more for each failing row.
  [[nodiscard]] Result<Output> run(data::SqlEngine& engine, const data::Batch& input) const;

 private:
  [[nodiscard]] Result<data::Batch> query(data::SqlEngine& engine, const data::Batch& input) const;
  [[nodiscard]] Status run_slice(data::SqlEngine& engine, const data::Batch& input, int64_t begin,
                                 int64_t end, std::vector<data::Batch>* parts, Output* output) const;

  std::string sql_;                    // with the row number as first result column
  std::string from_;
  data::SchemaPtr schema_;
  std::vector<std::string> computed_;  // names that the SELECT gives to expressions
};

}  // namespace assay::silver
