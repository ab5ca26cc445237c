#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/reject.h"
#include "data/sql_engine.h"
#include "silver/failing_rows.h"

namespace assay::silver {

/// A SELECT that looks at one row of one table at a time.
///
/// Threads immutable; run as its engine is: one thread at a time.
class RowWiseSql {
 public:
  /// Check and bind `sql` over the table `from` with the columns of `input`.
  ///
  /// Errors  kInvalidArgument: what does not parse or bind; another table than `from`; anything
  /// that
  ///         looks at more than one row or makes more than one (aggregates, GROUP BY, windows,
  ///         DISTINCT, ORDER BY, LIMIT, joins, set operations, subqueries, WITH, unnest, samples);
  ///         a function that gives another value each time (random, now, ...); a result column of a
  ///         type that tables do not have. The message names the construct and where it stands.
  static Result<RowWiseSql> compile(data::SqlEngine& engine,
                                    const std::string& sql,
                                    const std::string& from,
                                    const data::Schema& input);

  /// Result columns, all nullable, in the order of the SELECT.
  [[nodiscard]] const data::SchemaPtr& schema() const { return schema_; }
  /// True when the result column of this name is a column of the table as it is (or comes by `*`).
  [[nodiscard]] bool is_plain_column(std::string_view name) const;

  struct Output {
    data::Batch rows;                 // schema()
    std::vector<int64_t> input_rows;  // input row of each, ascending
    data::Rejects rejects;            // input rows whose evaluation failed: kWrongType; ascending
  };
  /// Run over a batch. Rows that make the SQL fail (a cast, say) are rejected, naming the result
  /// column that could not be computed where it is known; the others go on.
  ///
  /// Errors  as the engine's, save kInvalidArgument at run time.
  /// Cost    one query, none when it gives columns as they are; three when rows fail. A failing row
  /// that FailingRows misses is found by
  ///         halving: about 2 log2(rows) queries more.
  [[nodiscard]] Result<Output> run(data::SqlEngine& engine, const data::Batch& input) const;

 private:
  struct Run;
  [[nodiscard]] Result<data::Batch> query(data::SqlEngine& engine, const data::Batch& input) const;
  [[nodiscard]] Result<data::Rejects> find_failing(data::SqlEngine& engine,
                                                   const data::Batch& input) const;
  [[nodiscard]] Output run_plain(const data::Batch& input) const;
  [[nodiscard]] Status run_slice(Run* run, int64_t begin, int64_t end) const;
  [[nodiscard]] Status take_rows(Run* run,
                                 int64_t begin,
                                 int64_t end,
                                 const data::Batch& rows) const;

  std::string sql_;  // with the row number as first result column
  std::string from_;
  data::SchemaPtr schema_;
  std::optional<FailingRows> failing_rows_;
  std::optional<std::vector<int>> plain_columns_;  // of the input, when it does nothing else
  std::vector<std::string> computed_;              // names that the SELECT gives to expressions
};

}  // namespace assay::silver
