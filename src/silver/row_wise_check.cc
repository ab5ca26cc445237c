// What may stand in silver's SQL, decided on DuckDB's own syntax tree.
//
// Statement level: one SELECT node over one base table, without modifiers. Expression level: a list
// of allowed classes, so that whatever a later DuckDB adds is refused until it is looked at.
// Functions are judged by DuckDB's catalog: aggregates are refused, and functions whose stability
// is not CONSISTENT. A macro is judged by what its definition calls.

#include "silver/row_wise_check.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/suggest.h"

namespace assay::silver {
namespace {

const char kStatement[] = "$.statements[0].node";
constexpr int kMacroDepthMax = 8;

Status refuse(const std::string& construct, const std::string& where, const std::string& why) {
  return {Code::kInvalidArgument, construct + where + ": " + why};
}

Status refuse_many_rows(const std::string& construct, const std::string& where) {
  return refuse(
      construct,
      where,
      "silver is row by row; put aggregates, windows and joins over time in a feature view, and "
      "lookups under `enrich`");
}

Status check_modifiers(const SqlSyntax& syntax) {
  const std::string node = kStatement;
  for (int index = 0; syntax.has(node + ".modifiers[" + std::to_string(index) + "].type");
       ++index) {
    const std::string type = syntax.leaf(node + ".modifiers[" + std::to_string(index) + "].type");
    const std::string name = type == "DISTINCT_MODIFIER" ? "DISTINCT"
                             : type == "ORDER_MODIFIER"  ? "ORDER BY"
                                                         : "LIMIT";
    return refuse_many_rows(name, "");
  }
  if (syntax.has(node + ".cte_map.map[0].key")) {
    return refuse_many_rows("WITH", "");
  }
  const bool is_grouped = syntax.has(node + ".group_expressions[0].class") ||
                          syntax.has(node + ".group_sets[0][0]") ||
                          syntax.leaf(node + ".aggregate_handling") != "STANDARD_HANDLING";
  if (is_grouped) {
    return refuse_many_rows("GROUP BY", "");
  }
  for (const auto& [key, name] : {std::pair<const char*, const char*>{".having.class", "HAVING"},
                                  {".qualify.class", "QUALIFY"},
                                  {".sample.method", "USING SAMPLE"},
                                  {".from_table.sample.method", "TABLESAMPLE"}}) {
    if (syntax.has(node + key)) {
      return refuse_many_rows(name, "");
    }
  }
  return {};
}

Status check_from(const SqlSyntax& syntax, const std::string& from) {
  const std::string table = std::string(kStatement) + ".from_table";
  const std::string type = syntax.leaf(table + ".type");
  const std::string where = syntax.location(table);
  if (type == "JOIN") {
    return refuse_many_rows("a join", where);
  }
  if (type == "SUBQUERY") {
    return refuse_many_rows("a subquery", where);
  }
  if (type == "EMPTY") {
    return refuse("a SELECT without FROM", "", "select from `" + from + "`");
  }
  if (type != "BASE_TABLE") {
    return refuse("FROM something that is no table", where, "select from `" + from + "`");
  }
  const std::string name = syntax.leaf(table + ".table_name");
  const bool is_qualified = !syntax.leaf(table + ".schema_name").empty();
  if (is_qualified || lower_ascii(name) != lower_ascii(from)) {
    return refuse("table `" + name + "`",
                  where,
                  "only the table named under `from` can be read, `" + from + "`" +
                      did_you_mean(name, {from}));
  }
  return {};
}

bool is_allowed_class(const std::string& name) {
  constexpr std::array<std::string_view, 13> kAllowed = {"COLUMN_REF",
                                                         "CONSTANT",
                                                         "FUNCTION",
                                                         "CASE",
                                                         "CAST",
                                                         "COMPARISON",
                                                         "CONJUNCTION",
                                                         "OPERATOR",
                                                         "BETWEEN",
                                                         "STAR",
                                                         "COLLATE",
                                                         "LAMBDA",
                                                         "LAMBDA_REF"};
  return std::find(kAllowed.begin(), kAllowed.end(), name) != kAllowed.end();
}

bool is_changing_value(const std::string& name) {
  constexpr std::array<std::string_view, 10> kNames = {"current_timestamp",
                                                       "current_date",
                                                       "current_time",
                                                       "localtime",
                                                       "localtimestamp",
                                                       "current_user",
                                                       "session_user",
                                                       "current_role",
                                                       "current_catalog",
                                                       "current_schema"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

Status refuse_changing(const std::string& name, const std::string& where) {
  return refuse(
      "`" + name + "`",
      where,
      "it gives another value each time, so a replay would not give the same rows; use event_time "
      "or known_time");
}

struct FunctionFacts {
  bool is_aggregate = false;
  bool is_scalar = false;
  bool changes = false;
  std::vector<std::string> macros;
};

/// Facts of each name, in lower case; a name that DuckDB does not know has none.
Result<std::map<std::string, FunctionFacts>> function_facts(data::SqlEngine& engine,
                                                            const std::set<std::string>& names) {
  std::map<std::string, FunctionFacts> facts;
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : ", ") + data::SqlEngine::literal(name);
    facts[name];
  }
  if (names.empty()) {
    return facts;
  }
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch rows,
      engine.query("SELECT DISTINCT lower(function_name)::VARCHAR, function_type::VARCHAR, "
                   "stability::VARCHAR, macro_definition::VARCHAR FROM duckdb_functions() "
                   "WHERE lower(function_name) IN (" +
                   list + ") ORDER BY ALL"));
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const std::string name(rows.column(0).text(row));
    const std::string_view type = rows.column(1).text(row);
    const std::string_view stability = rows.column(2).text(row);
    FunctionFacts& fact = facts[name];
    fact.is_aggregate |= type == "aggregate";
    fact.is_scalar |= type == "scalar";
    fact.changes |= type == "scalar" && stability != "CONSISTENT" && name != "error";
    if (type == "macro") {
      fact.macros.emplace_back(rows.column(3).text(row));
    }
  }
  return facts;
}

/// Judges the expressions of one syntax tree, and of the macros they call.
class ExpressionCheck {
 public:
  ExpressionCheck(data::SqlEngine& engine, const data::Schema& input) : engine_(engine) {
    for (const std::string& name : input.names()) {
      columns_.insert(lower_ascii(name));
    }
  }

  Status check(const SqlSyntax& syntax, int depth) {
    ASSAY_RETURN_IF_ERROR(learn_functions(syntax));
    for (const std::string& path : syntax.expressions()) {
      const std::string where = depth == 0 ? syntax.location(path) : "";
      const std::string kind = syntax.leaf(path + ".class");
      if (kind == "WINDOW") {
        return refuse_many_rows(
            "a window function, `" + syntax.leaf(path + ".function_name") + "`,", where);
      }
      if (kind == "SUBQUERY") {
        return refuse_many_rows("a subquery", where);
      }
      if (!is_allowed_class(kind)) {
        return refuse("an expression of class " + kind, where, "it is not allowed in silver's SQL");
      }
      if (kind == "FUNCTION") {
        ASSAY_RETURN_IF_ERROR(check_function(syntax, path, where, depth));
      }
      if (kind == "COLUMN_REF" && !syntax.has(path + ".column_names[1]")) {
        const std::string name = lower_ascii(syntax.leaf(path + ".column_names[0]"));
        if (is_changing_value(name) && columns_.count(name) == 0) {
          return refuse_changing(name, where);
        }
      }
    }
    return {};
  }

 private:
  Status check_function(const SqlSyntax& syntax,
                        const std::string& path,
                        const std::string& where,
                        int depth) {
    const std::string name = lower_ascii(syntax.leaf(path + ".function_name"));
    if (name == "unnest" || name == "unlist") {
      return refuse(
          "`" + name + "`", where, "it makes several rows of one; silver keeps one row a row");
    }
    const bool has_aggregate_parts = syntax.leaf(path + ".distinct") == "true" ||
                                     syntax.has(path + ".filter.class") ||
                                     syntax.has(path + ".order_bys.orders[0].type");
    const bool is_age_of_now = name == "age" && !syntax.has(path + ".children[1].class");
    if (is_age_of_now) {
      return refuse_changing(name, where);
    }
    if (!has_aggregate_parts && !judged_.insert(name).second) {
      return {};
    }
    const FunctionFacts facts = facts_[name];
    if (has_aggregate_parts || (facts.is_aggregate && !facts.is_scalar)) {
      return refuse_many_rows("an aggregate, `" + name + "`,", where);
    }
    if (facts.changes) {
      return refuse_changing(name, where);
    }
    for (const std::string& definition : facts.macros) {
      if (definition.empty() || depth >= kMacroDepthMax) {
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(const SqlSyntax macro,
                             SqlSyntax::parse(engine_, "SELECT " + definition));
      const Status status = check(macro, depth + 1);
      if (!status.ok()) {
        return status.with_context("`" + name + "`" + where);
      }
    }
    return {};
  }

  /// Ask for the functions of a tree that are not known yet, all at once.
  Status learn_functions(const SqlSyntax& syntax) {
    std::set<std::string> names;
    for (const std::string& path : syntax.expressions()) {
      const std::string name = lower_ascii(syntax.leaf(path + ".function_name"));
      if (!name.empty() && facts_.count(name) == 0) {
        names.insert(name);
      }
    }
    ASSAY_ASSIGN_OR_RETURN(auto facts, function_facts(engine_, names));
    facts_.merge(facts);
    return {};
  }

  data::SqlEngine& engine_;
  std::set<std::string> columns_;
  std::map<std::string, FunctionFacts> facts_;
  std::set<std::string> judged_;
};

}  // namespace

Status check_row_wise(data::SqlEngine& engine,
                      const SqlSyntax& syntax,
                      const std::string& from,
                      const data::Schema& input) {
  if (syntax.has("$.statements[1].node.type")) {
    return refuse("several statements", "", "write one SELECT");
  }
  const std::string type = syntax.leaf(std::string(kStatement) + ".type");
  if (type == "SET_OPERATION_NODE") {
    return refuse_many_rows("UNION, INTERSECT or EXCEPT", "");
  }
  if (type != "SELECT_NODE") {
    return refuse("a statement that is no plain SELECT", "", "write SELECT ... FROM " + from);
  }
  ASSAY_RETURN_IF_ERROR(check_modifiers(syntax));
  ASSAY_RETURN_IF_ERROR(check_from(syntax, from));
  return ExpressionCheck(engine, input).check(syntax, 0);
}

}  // namespace assay::silver
