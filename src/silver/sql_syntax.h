#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/sql_engine.h"

namespace assay::silver {

/// The syntax tree of one SQL text as DuckDB's own parser sees it: the leaves of its JSON form by
/// path, e.g. "$.statements[0].node.from_table.table_name" = "clicks".
class SqlSyntax {
 public:
  /// Errors  kInvalidArgument: DuckDB's parser refuses the text, or it is no SELECT.
  static Result<SqlSyntax> parse(data::SqlEngine& engine, const std::string& sql);

  /// Text of the leaf at `path`; "" when there is none, or it is null.
  [[nodiscard]] std::string leaf(const std::string& path) const;
  [[nodiscard]] bool has(const std::string& path) const;
  /// Paths of all expressions, in order: nodes that have a leaf "class".
  [[nodiscard]] const std::vector<std::string>& expressions() const { return expressions_; }
  /// " at column N" of a node, from 1; "" when the parser did not say.
  [[nodiscard]] std::string location(const std::string& path) const;

 private:
  std::map<std::string, std::string> leaves_;
  std::vector<std::string> expressions_;
};

}  // namespace assay::silver
