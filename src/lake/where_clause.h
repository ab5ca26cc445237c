#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/schema.h"

namespace assay::lake {

enum class Comparison {
  kEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIsNull,
  kIsNotNull
};

/// A literal of a WHERE clause. `kind` says how it was written, for conversions that SQL does by
/// kind.
struct Literal {
  enum class Kind { kNumber, kText, kDate, kTimestamp, kBoolean, kMicros } kind = Kind::kNumber;
  std::string text;
};

/// One member of a conjunction: the column compared with any one of the literals.
struct Condition {
  int column = 0;  // in the schema
  Comparison comparison = Comparison::kEqual;
  std::vector<Literal> literals;  // one, or those of IN; none for IS [NOT] NULL
};

/// Conditions that must all hold wherever `where` is true. What is not understood is left out;
/// where even the extent of the conjunction is in doubt (OR, comments, odd quotes), nothing is
/// returned.
std::vector<Condition> parse_where(std::string_view where, const data::Schema& schema);

}  // namespace assay::lake
