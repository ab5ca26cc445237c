#include "data/expression_kind.h"

#include <array>

#include "data/expression_lexer.h"
#include "data/expression_program.h"

namespace assay::data {
namespace {

constexpr std::array<SqlTypeName, 31> kSqlTypeNames = {{
    {"boolean", ValueKind::kBool},
    {"bool", ValueKind::kBool},
    {"integer", ValueKind::kInt32},
    {"int", ValueKind::kInt32},
    {"int4", ValueKind::kInt32},
    {"int32", ValueKind::kInt32},
    {"bigint", ValueKind::kInt64},
    {"long", ValueKind::kInt64},
    {"int8", ValueKind::kInt64},
    {"int64", ValueKind::kInt64},
    {"float", ValueKind::kFloat32},
    {"real", ValueKind::kFloat32},
    {"float4", ValueKind::kFloat32},
    {"float32", ValueKind::kFloat32},
    {"double", ValueKind::kFloat64},
    {"double precision", ValueKind::kFloat64},
    {"float8", ValueKind::kFloat64},
    {"float64", ValueKind::kFloat64},
    {"varchar", ValueKind::kString},
    {"text", ValueKind::kString},
    {"string", ValueKind::kString},
    {"char", ValueKind::kString},
    {"blob", ValueKind::kBytes},
    {"bytea", ValueKind::kBytes},
    {"bytes", ValueKind::kBytes},
    {"binary", ValueKind::kBytes},
    {"date", ValueKind::kDate},
    {"timestamp", ValueKind::kTimestamp},
    {"timestamptz", ValueKind::kTimestamp},
    {"timestamp with time zone", ValueKind::kTimestamp},
    {"datetime", ValueKind::kTimestamp},
}};

}  // namespace

std::string_view kind_name(ValueKind kind) {
  if (kind == ValueKind::kNull) {
    return "null";
  }
  if (kind == ValueKind::kInterval) {
    return "interval";
  }
  if (kind == ValueKind::kNested || kind == ValueKind::kVector) {
    return kind == ValueKind::kVector ? "vector" : "nested";
  }
  return type_id_name(*column_type(kind));
}

ValueKind kind_of(const Type& type) {
  switch (type) {
    case Type::kBool:
      return ValueKind::kBool;
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
      return ValueKind::kInt32;
    case Type::kInt64:
      return ValueKind::kInt64;
    case Type::kFloat32:
      return ValueKind::kFloat32;
    case Type::kFloat64:
    case Type::kDecimal:
      return ValueKind::kFloat64;
    case Type::kString:
      return ValueKind::kString;
    case Type::kBytes:
      return ValueKind::kBytes;
    case Type::kDate:
      return ValueKind::kDate;
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return ValueKind::kTimestamp;
    case Type::kList:
    case Type::kArray:
      return is_real(type.element()) ? ValueKind::kVector : ValueKind::kNested;
    case Type::kStruct:
    case Type::kMap:
      return ValueKind::kNested;
  }
  return ValueKind::kNull;
}

std::optional<TypeId> column_type(ValueKind kind) {
  switch (kind) {
    case ValueKind::kBool:
      return Type::kBool;
    case ValueKind::kInt32:
      return Type::kInt32;
    case ValueKind::kInt64:
      return Type::kInt64;
    case ValueKind::kFloat32:
      return Type::kFloat32;
    case ValueKind::kFloat64:
      return Type::kFloat64;
    case ValueKind::kString:
      return Type::kString;
    case ValueKind::kBytes:
      return Type::kBytes;
    case ValueKind::kDate:
      return Type::kDate;
    case ValueKind::kTimestamp:
      return Type::kTimestamp;
    case ValueKind::kNull:
    case ValueKind::kInterval:
    case ValueKind::kVector:
    case ValueKind::kNested:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<ValueKind> kind_from_sql_name(std::string_view name) {
  const std::string lower = lower_ascii(name);
  for (const SqlTypeName& known : kSqlTypeNames) {
    if (known.name == lower) {
      return known.kind;
    }
  }
  return std::nullopt;
}

std::span<const SqlTypeName> sql_type_names() {
  return kSqlTypeNames;
}

int kind_width(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNull:
    case ValueKind::kBool:
    case ValueKind::kNested:
      return 1;
    case ValueKind::kInt32:
    case ValueKind::kFloat32:
    case ValueKind::kDate:
      return 4;
    case ValueKind::kInt64:
    case ValueKind::kFloat64:
    case ValueKind::kTimestamp:
    case ValueKind::kInterval:
      return 8;
    case ValueKind::kString:
    case ValueKind::kBytes:
      return static_cast<int>(sizeof(std::string_view));
    case ValueKind::kVector:
      return static_cast<int>(sizeof(VectorView));
  }
  return 8;
}

}  // namespace assay::data
