#include <string>
#include <string_view>

#include "data/schema.h"
#include "data/sql_engine.h"

// Types, texts and names as SQL writes them.

namespace assay::data {

std::string SqlEngine::sql_type(const Type& type) {
  switch (type) {
    case Type::kBool:
      return "BOOLEAN";
    case Type::kInt8:
      return "TINYINT";
    case Type::kInt16:
      return "SMALLINT";
    case Type::kInt32:
      return "INTEGER";
    case Type::kInt64:
      return "BIGINT";
    case Type::kFloat32:
      return "FLOAT";
    case Type::kFloat64:
      return "DOUBLE";
    case Type::kString:
      return "VARCHAR";
    case Type::kBytes:
      return "BLOB";
    case Type::kDate:
      return "DATE";
    case Type::kTimestamp:
      return "TIMESTAMP WITH TIME ZONE";
    case Type::kTimestampNtz:
      return "TIMESTAMP";
    case Type::kDecimal:
      return "DECIMAL(" + std::to_string(type.precision()) + "," + std::to_string(type.scale()) +
             ")";
    case Type::kList:
      return sql_type(type.element()) + "[]";
    case Type::kArray:
      return sql_type(type.element()) + "[" + std::to_string(type.array_size()) + "]";
    case Type::kMap:
      return "MAP(" + sql_type(type.map_key()) + ", " + sql_type(type.map_value()) + ")";
    case Type::kStruct: {
      std::string fields;
      for (const Field& field : type.children()) {
        fields +=
            (fields.empty() ? "" : ", ") + identifier(field.name) + " " + sql_type(field.type);
      }
      return "STRUCT(" + fields + ")";
    }
  }
  return "";
}

namespace {
std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out.append(c == quote ? 2 : 1, c);
  }
  out.push_back(quote);
  return out;
}
}  // namespace

std::string SqlEngine::literal(std::string_view text) {
  return quoted(text, '\'');
}
std::string SqlEngine::identifier(std::string_view name) {
  return quoted(name, '"');
}

}  // namespace assay::data
