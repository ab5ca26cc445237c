#include "silver/sql_syntax.h"

#include <utility>

namespace assay::silver {
namespace {

constexpr std::string_view kClass = ".class";
constexpr std::string_view kNoLocation = "18446744073709551615";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

Result<SqlSyntax> SqlSyntax::parse(data::SqlEngine& engine, const std::string& sql) {
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch nodes,
      engine.query("SELECT fullkey::VARCHAR, (atom->>'$')::VARCHAR, type::VARCHAR "
                   "FROM json_tree(json_serialize_sql(" +
                   data::SqlEngine::literal(sql) + ")) ORDER BY id"));
  SqlSyntax syntax;
  for (int64_t row = 0; row < nodes.rows(); ++row) {
    std::string path(nodes.column(0).text(row));
    if (nodes.column(1).is_null(row)) {
      continue;
    }
    if (ends_with(path, kClass)) {
      syntax.expressions_.push_back(path.substr(0, path.size() - kClass.size()));
    }
    syntax.leaves_.emplace(std::move(path), std::string(nodes.column(1).text(row)));
  }
  if (syntax.leaf("$.error") == "true") {
    std::string message = syntax.leaf("$.error_message");
    if (syntax.leaf("$.error_type") == "not implemented") {
      message = "it must be one SELECT";
    }
    const std::string position = syntax.leaf("$.position");
    return Status(Code::kInvalidArgument,
                  message + (position.empty() ? "" : " at character " + position + " (from 0)"));
  }
  return syntax;
}

std::string SqlSyntax::leaf(const std::string& path) const {
  const auto found = leaves_.find(path);
  return found == leaves_.end() ? "" : found->second;
}

bool SqlSyntax::has(const std::string& path) const {
  return leaves_.count(path) != 0;
}

std::string SqlSyntax::location(const std::string& path) const {
  const std::string text = leaf(path + ".query_location");
  if (text.empty() || text == kNoLocation) {
    return "";
  }
  return " at character " + text + " (from 0)";
}

}  // namespace assay::silver
