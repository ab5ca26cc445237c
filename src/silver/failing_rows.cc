// The expressions are cut out of the SELECT by DuckDB itself: each is put as the only item into a
// copy of the syntax tree (json_serialize_sql) and turned back into text (json_deserialize_sql). A
// copy that selects the constant 1 tells which end of the text is FROM and WHERE.

#include "silver/failing_rows.h"

#include <string_view>
#include <utility>

namespace assay::silver {
namespace {

constexpr std::string_view kSelect = "SELECT ";
constexpr std::string_view kSelectOne = "SELECT 1";
constexpr int64_t kWhere = -1;

std::string item_path(int64_t index) {
  return "$.statements[0].node.select_list[" + std::to_string(index) + "]";
}

/// SQL that gives (number, text) for the constant (-2), WHERE (-1) and the items (from 0).
std::string texts_sql(const std::string& sql) {
  return "WITH parsed AS (SELECT json_serialize_sql(" + data::SqlEngine::literal(sql) +
         ")::JSON AS tree), "
         "nodes AS (SELECT tree->'$.statements[0].node' AS node FROM parsed), "
         "items AS (SELECT unnest(json_extract(node, '$.select_list[*]')) AS item, "
         "generate_subscripts(json_extract(node, '$.select_list[*]'), 1) - 1 AS number, node "
         "FROM nodes UNION ALL SELECT "
         R"('{"class":"CONSTANT","type":"VALUE_CONSTANT","alias":"","query_location":1,"value":)"
         R"({"type":{"id":"INTEGER","type_info":null},"is_null":false,"value":1}}'::JSON, -2, node )"
         "FROM nodes UNION ALL SELECT node->'where_clause', -1, node FROM nodes) "
         "SELECT number::BIGINT AS number, json_deserialize_sql(json_object('error', false, "
         "'statements', json_array(json_object('node', json_merge_patch(node, "
         "json_object('select_list', json_array(json_merge_patch(item, '{\"alias\":\"\"}')))), "
         "'named_param_map', json_array())))) AS text "
         "FROM items WHERE json_type(item) = 'OBJECT' ORDER BY number";
}

bool can_fail(const SqlSyntax& syntax, int64_t number) {
  if (number == kWhere) {
    return true;
  }
  const std::string path = item_path(number);
  const std::string kind = syntax.leaf(path + ".class");
  if (kind == "COLUMN_REF" || kind == "CONSTANT") {
    return false;
  }
  for (const std::string& each : syntax.expressions()) {
    const bool is_below = each.substr(0, path.size()) == path;
    if (is_below && syntax.leaf(each + ".class") == "STAR") {
      return false;
    }
  }
  return true;
}

std::string fails(const std::string& expression) {
  return "TRY((" + expression + ") IS NULL) IS NULL";
}

}  // namespace

std::optional<FailingRows> FailingRows::compile(data::SqlEngine& engine,
                                                const std::string& sql,
                                                const SqlSyntax& syntax,
                                                const std::string& from) {
  const Result<data::Batch> texts = engine.query(texts_sql(sql));
  if (!texts.ok() || texts->rows() == 0 ||
      texts->column(1).text(0).substr(0, kSelectOne.size()) != kSelectOne) {
    return std::nullopt;
  }
  const std::size_t rest_size = texts->column(1).text(0).size() - kSelectOne.size();
  FailingRows probe;
  std::string cases;
  std::string where;
  std::string any_item;
  for (int64_t row = 1; row < texts->rows(); ++row) {
    const int64_t number = texts->column(0).values<int64_t>()[static_cast<std::size_t>(row)];
    const std::string_view text = texts->column(1).text(row);
    if (!can_fail(syntax, number) || text.size() <= kSelect.size() + rest_size) {
      continue;
    }
    const std::string expression(
        text.substr(kSelect.size(), text.size() - kSelect.size() - rest_size));
    cases += " WHEN " + fails(expression) + " THEN " + std::to_string(probe.names_.size());
    if (number == kWhere) {
      where = expression;
      probe.names_.emplace_back();
    } else {
      any_item += (any_item.empty() ? "" : " OR ") + fails(expression);
      probe.names_.push_back(syntax.leaf(item_path(number) + ".alias"));
    }
  }
  if (probe.names_.empty()) {
    return std::nullopt;
  }
  const std::string alias = syntax.leaf("$.statements[0].node.from_table.alias");
  std::string condition = any_item.empty() ? "false" : any_item;
  if (!where.empty()) {
    condition = fails(where) + " OR (coalesce(TRY(" + where + "), false) AND (" + condition + "))";
  }
  probe.sql_ = "SELECT rowid AS number, (CASE" + cases + " END)::BIGINT AS expression FROM " +
               data::SqlEngine::identifier(from) +
               (alias.empty() ? "" : " AS " + data::SqlEngine::identifier(alias)) + " WHERE " +
               condition + " ORDER BY 1";
  if (!probe.find(engine).ok()) {
    return std::nullopt;
  }
  return probe;
}

Result<data::Rejects> FailingRows::find(data::SqlEngine& engine) const {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, engine.query(sql_));
  const auto numbers = rows.column(0).values<int64_t>();
  const auto expressions = rows.column(1).values<int64_t>();
  data::Rejects rejects;
  for (std::size_t row = 0; row < numbers.size(); ++row) {
    const auto name = static_cast<std::size_t>(expressions[row]);
    rejects.push_back({numbers[row],
                       data::RejectReason::kWrongType,
                       rows.column(1).is_null(static_cast<int64_t>(row)) ? "" : names_.at(name)});
  }
  return rejects;
}

}  // namespace assay::silver
