#include "lake/statistics_check.h"

#include <vector>

#include "base/json_writer.h"
#include "lake/json_value.h"

namespace assay::lake {
namespace {

using data::SqlEngine;
using data::Type;

/// A bound as SQL of the column's type; "" for one that says nothing.
std::string bound_sql(const data::Field& field, const JsonValue& value, bool is_min) {
  const std::string type(SqlEngine::sql_type(field.type));
  if (value.text() != nullptr) {
    const std::string& text = *value.text();
    if (text == "NaN") {
      return "";
    }
    std::string sql = "CAST(" + SqlEngine::literal(text) + " AS " + type + ")";
    if (field.type == Type::kTimestamp && !is_min) {
      sql = "(" + sql + " + INTERVAL 1 MILLISECOND)";  // other writers cut it
    }
    return text.find('\0') == std::string::npos ? sql : "";
  }
  if (value.boolean() != nullptr) {
    return *value.boolean() ? "true" : "false";
  }
  if (value.integer() != nullptr) {
    return "CAST(" + std::to_string(*value.integer()) + " AS " + type + ")";
  }
  if (value.number() != nullptr) {
    std::string digits;
    append_json_number(digits, *value.number());
    return "CAST(" + SqlEngine::literal(digits) + " AS DOUBLE)";  // bare, they are a decimal
  }
  return "";
}

/// Rows of the file for which each condition holds must be none; what it says when there are some.
struct Rule {
  std::string count;  // SQL of an aggregate that must be 0
  std::string text;
};

void add_bound(const data::Field& field,
               const JsonValue* bounds,
               bool is_min,
               std::vector<Rule>& rules) {
  const JsonValue* bound = bounds == nullptr ? nullptr : bounds->find(field.name);
  const std::string sql = bound == nullptr ? "" : bound_sql(field, *bound, is_min);
  if (sql.empty()) {
    return;
  }
  const std::string name = SqlEngine::identifier(field.name);
  std::string condition = name + (is_min ? " < " : " > ") + sql;
  if (field.type == Type::kFloat32 || field.type == Type::kFloat64) {
    condition += " AND NOT isnan(" + name + ")";
  }
  rules.push_back({"count(*) FILTER (WHERE " + condition + ")",
                   "rows of column `" + field.name + "` lie " + (is_min ? "below" : "above") +
                       " the file's " + (is_min ? "minimum" : "maximum")});
}

}  // namespace

Result<std::string> statistics_lie(SqlEngine& sql,
                                   DeltaTable& table,
                                   const Snapshot& snapshot,
                                   const DataFile& file) {
  if (file.deletion_vector) {
    return std::string();  // they are of the file, not of the rows that are left
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, table.relation_of(snapshot, {file}));
  std::vector<Rule> rules;
  JsonReader json;
  Result<JsonValue> statistics =
      file.stats_json.empty() ? Result<JsonValue>(JsonValue()) : json.read(file.stats_json);
  if (!statistics.ok()) {
    return std::string("they are no JSON");
  }
  const JsonValue* count = statistics->find("numRecords");
  if (count != nullptr && count->integer() != nullptr) {
    rules.push_back({"count(*) - " + std::to_string(*count->integer()),
                     "rows are there more or less than numRecords says"});
  }
  const JsonValue* nulls = statistics->find("nullCount");
  for (const data::Field& field : snapshot.schema->fields()) {
    if (file.partition_values.count(field.name) != 0) {
      continue;
    }
    add_bound(field, statistics->find("minValues"), true, rules);
    add_bound(field, statistics->find("maxValues"), false, rules);
    const JsonValue* null_count = nulls == nullptr ? nullptr : nulls->find(field.name);
    if (null_count != nullptr && null_count->integer() != nullptr) {
      rules.push_back(
          {"count(*) - count(" + SqlEngine::identifier(field.name) + ") - " +
               std::to_string(*null_count->integer()),
           "nulls of column `" + field.name + "` are more or less than nullCount says"});
    }
  }
  std::string select = "SELECT CAST(count(*) AS BIGINT)";
  for (std::size_t i = 0; i < rules.size(); ++i) {
    select += ", CAST(" + rules[i].count + " AS BIGINT) AS r" + std::to_string(i);
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch counts, sql.query(select + " FROM " + relation));
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const int64_t wrong = counts.column(static_cast<int>(i) + 1).values<int64_t>()[0];
    if (wrong != 0) {
      return std::to_string(wrong < 0 ? -wrong : wrong) + " " + rules[i].text;
    }
  }
  return std::string();
}

}  // namespace assay::lake
