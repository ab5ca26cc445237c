#include <string>
#include <string_view>

#include "data/sql_engine.h"

// Types, texts and names as SQL writes them.

namespace assay::data {

std::string_view SqlEngine::sql_type(Type type) {
  switch (type) {
    case Type::kBool:
      return "BOOLEAN";
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
