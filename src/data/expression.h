#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "data/batch.h"

namespace assay::data {

/// `now()` reads this column: the instant of the question, where the schema has one.
inline constexpr char kNowColumn[] = "now()";

/// A scalar expression in SQL syntax, checked against a schema, compiled once, evaluated over
/// columns.
///
/// The same object serves `expr`, `where`, checks and on-demand features, offline and online, so
/// they cannot differ. Meaning is DuckDB's (a test compares on random inputs); what differs is
/// listed in docs/reference/expressions.md. Nulls   SQL's three-valued logic. Threads immutable;
/// evaluate may run on many threads at once.
class Expression {
 public:
  /// Parse and type-check.
  ///
  /// Errors  kInvalidArgument: syntax, unknown column or function (with the nearest name), types
  /// that
  ///         do not fit. The message ends with "at column N" of the text, from 1.
  static Result<Expression> compile(std::string_view text, const Schema& schema);

  [[nodiscard]] Type type() const;
  /// Names of the columns it reads, each once, in order of first use.
  [[nodiscard]] const std::vector<std::string>& columns() const;
  [[nodiscard]] const std::string& text() const;

  /// One value a row. Columns are found by name in the batch; their types must be those compiled
  /// for.
  ///
  /// Errors  kInvalidArgument: a column is missing or of another type. kResourceExhausted: more
  ///         than 2 GiB of text. Overflow of integers and division by zero give null, never an
  ///         error.
  [[nodiscard]] Result<ColumnPtr> evaluate(const Batch& batch) const;

  struct Program;

 private:
  explicit Expression(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

}  // namespace assay::data
