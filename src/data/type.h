#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace assay::data {

/// Column types. In memory: kBool one byte a value, kDate days and kTimestamp microseconds since
/// the epoch UTC, kString UTF-8, kBytes any bytes.
enum class Type : uint8_t {
  kBool,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kString,
  kBytes,
  kDate,
  kTimestamp,
};

/// "bool", "int32", "int64", "float32", "float64", "string", "bytes", "date", "timestamp".
std::string_view type_name(Type type);
/// The type of a name as users write it; also "double", "float", "long", "int", "integer",
/// "boolean", "binary".
std::optional<Type> type_from_name(std::string_view name);
/// Bytes of one value; 0 for kString and kBytes.
int value_width(Type type);
constexpr bool is_numeric(Type type) {
  return type == Type::kInt32 || type == Type::kInt64 || type == Type::kFloat32 ||
         type == Type::kFloat64;
}
constexpr bool is_text(Type type) {
  return type == Type::kString || type == Type::kBytes;
}

}  // namespace assay::data
