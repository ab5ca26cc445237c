#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/status.h"
#include "data/type.h"

namespace assay::data {

/// One value of one type, or null. kInt32, kInt64, kDate and kTimestamp are held as int64_t,
/// kFloat32 and kFloat64 as double, kString and kBytes as std::string.
struct Scalar {
  Type type = Type::kInt64;
  std::variant<std::monostate, bool, int64_t, double, std::string> value;

  [[nodiscard]] bool is_null() const { return value.index() == 0; }
  static Scalar null(Type type) { return {type, {}}; }
  static Scalar boolean(bool v) { return {Type::kBool, v}; }
  static Scalar int64(int64_t v) { return {Type::kInt64, v}; }
  static Scalar int32(int32_t v) { return {Type::kInt32, int64_t{v}}; }
  static Scalar float64(double v) { return {Type::kFloat64, v}; }
  static Scalar string(std::string v) { return {Type::kString, std::move(v)}; }
  static Scalar timestamp(int64_t micros) { return {Type::kTimestamp, micros}; }
  bool operator==(const Scalar&) const = default;
};

/// Read `text` as a value of `type`, as CSV cells and command-line flags are read.
///
/// Nulls   never null; the caller decides what an empty text means.
/// Errors  kInvalidArgument: not a value of that type, or outside its range.
Result<Scalar> parse_scalar(std::string_view text, Type type);
/// Text that parse_scalar reads back to the same value; "" for null.
std::string format_scalar(const Scalar& scalar);

}  // namespace assay::data
