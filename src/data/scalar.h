#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "base/status.h"
#include "data/decimal.h"
#include "data/type.h"

namespace assay::data {

class Column;

/// A list, array, struct or map: a column of one row, shared. Equal as same_value says.
struct NestedValue {
  std::shared_ptr<const Column> row;
  bool operator==(const NestedValue& other) const;
};

/// One value of one type, or null. Integers, dates and times are held as int64_t, kFloat32 and
/// kFloat64 as double, kString and kBytes as std::string, kDecimal as its units.
struct Scalar {
  Type type = Type::kInt64;
  std::variant<std::monostate, bool, int64_t, double, std::string, Int128, NestedValue> value;

  [[nodiscard]] bool is_null() const { return value.index() == 0; }
  static Scalar null(Type type) { return {std::move(type), {}}; }
  static Scalar boolean(bool v) { return {Type::kBool, v}; }
  static Scalar int64(int64_t v) { return {Type::kInt64, v}; }
  static Scalar int32(int32_t v) { return {Type::kInt32, int64_t{v}}; }
  static Scalar float64(double v) { return {Type::kFloat64, v}; }
  static Scalar string(std::string v) { return {Type::kString, std::move(v)}; }
  /// The one row of a nested column, which is not null.
  static Scalar nested(std::shared_ptr<const Column> row);
  static Scalar timestamp(int64_t micros) { return {Type::kTimestamp, micros}; }
  bool operator==(const Scalar&) const = default;
};

/// Read `text` as a value of `type`, as CSV cells and command-line flags are read; lists, arrays,
/// structs and maps as JSON.
///
/// Nulls   never null; the caller decides what an empty text means.
/// Errors  kInvalidArgument: not a value of that type, or outside its range.
Result<Scalar> parse_scalar(std::string_view text, const Type& type);
/// True when an integer type of that width holds the value.
bool fits_integer(int64_t value, TypeId type);
/// Text that parse_scalar reads back to the same value; "" for null.
std::string format_scalar(const Scalar& scalar);

}  // namespace assay::data
