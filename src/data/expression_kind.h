#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "data/type.h"

namespace assay::data {

/// Types inside an expression: the column types, a length of time, and `null` before its type is
/// known.
enum class ValueKind : uint8_t {
  kNull,
  kBool,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kString,
  kBytes,
  kDate,
  kTimestamp,
  kInterval,  // microseconds
  kVector,    // a list or array of float32 or float64: for functions that take vectors
  kNested,    // another list, array, struct or map: passed on and asked for null, nothing else
};

/// "int64", "interval", ...
std::string_view kind_name(ValueKind kind);
/// What a column is inside an expression: int8 and int16 are widened to int32, decimals are read as
/// float64 (the nearest), timestamp_ntz as a timestamp in UTC.
ValueKind kind_of(const Type& type);
/// The column type; nothing for kNull, kInterval, kVector and kNested.
std::optional<TypeId> column_type(ValueKind kind);
/// The kind of a type name in CAST, any case; DuckDB's names and ours.
std::optional<ValueKind> kind_from_sql_name(std::string_view name);

struct SqlTypeName {
  std::string_view name;
  ValueKind kind;
};
/// All names that kind_from_sql_name knows, for suggestions and the reference page.
std::span<const SqlTypeName> sql_type_names();

/// Bytes of one value in a register.
int kind_width(ValueKind kind);

constexpr bool is_integer(ValueKind kind) {
  return kind == ValueKind::kInt32 || kind == ValueKind::kInt64;
}
constexpr bool is_float(ValueKind kind) {
  return kind == ValueKind::kFloat32 || kind == ValueKind::kFloat64;
}
constexpr bool is_number(ValueKind kind) {
  return is_integer(kind) || is_float(kind);
}

}  // namespace assay::data
