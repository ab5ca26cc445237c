#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/scalar.h"

// For tests: random expressions with a meaning of their own. Each is made as text for our language,
// as text for DuckDB where the two differ (docs/reference/expressions.md), and as a function, so
// that three evaluators can be compared.

namespace assay::gold {

/// The value of a column of one row.
using ColumnValues = std::function<data::Scalar(const std::string& column)>;

struct RandomExpression {
  std::string text;
  std::string sql;
  data::Type type;
  std::vector<std::string> columns;  // that it reads
  std::function<data::Scalar(const ColumnValues&)> value;
};

/// A column as it is.
RandomExpression column_expression(const std::string& name, const data::Type& type);
/// An expression over columns, of one of the types bool, int64, float64 and string, or a column of
/// any type. `products`: numbers may also be multiplied and divided by each other; without it,
/// sixteenths stay sixty-fourths.
RandomExpression random_expression(Random& random,
                                   const std::vector<data::Field>& columns,
                                   bool products);
RandomExpression random_condition(Random& random, const std::vector<data::Field>& columns);
/// What a clock on the wall shows at `now()`, in January.
RandomExpression random_clock(Random& random);

}  // namespace assay::gold
