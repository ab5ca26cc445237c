#include "lake/statistics_check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "lake/json_value.h"

namespace assay::lake {
namespace {

using data::SqlEngine;
using data::Type;

constexpr char kNoJson[] = "they are no JSON";

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

/// What must hold of a file's rows: a count of them is `expected`.
struct Rule {
  enum class Kind { kRows, kNulls, kMin, kMax };
  Kind kind = Kind::kRows;
  const data::Field* field = nullptr;  // but of kRows
  std::string bound;                   // SQL; of kMin and kMax
  int64_t expected = 0;
  std::string text;  // of rows that are more or less

  /// The aggregate over rows `f`, where `limit` is SQL of the bound.
  [[nodiscard]] std::string count(const std::string& limit) const {
    const std::string name = field == nullptr ? "" : "f." + SqlEngine::identifier(field->name);
    switch (kind) {
      case Kind::kRows:
        return "count(*)";
      case Kind::kNulls:
        return "count(*) - count(" + name + ")";
      case Kind::kMin:
      case Kind::kMax:
        break;
    }
    std::string condition = name + (kind == Kind::kMin ? " < " : " > ") + limit;
    if (data::is_real(field->type.id())) {
      condition += " AND NOT isnan(" + name + ")";
    }
    return "count(*) FILTER (WHERE " + condition + ")";
  }
  /// "" when it is not broken.
  [[nodiscard]] std::string broken(int64_t counted) const {
    const int64_t wrong = counted - expected;
    return wrong == 0 ? "" : std::to_string(wrong < 0 ? -wrong : wrong) + " " + text;
  }
};

void add_bound(const data::Field& field,
               const JsonValue* bounds,
               bool is_min,
               std::vector<Rule>& rules) {
  const JsonValue* value = bounds == nullptr ? nullptr : bounds->find(field.name);
  const std::string sql = value == nullptr ? "" : bound_sql(field, *value, is_min);
  if (!sql.empty()) {
    rules.push_back({is_min ? Rule::Kind::kMin : Rule::Kind::kMax,
                     &field,
                     sql,
                     0,
                     "rows of column `" + field.name + "` lie " + (is_min ? "below" : "above") +
                         " the file's " + (is_min ? "minimum" : "maximum")});
  }
}

/// What a file's statistics say; nothing where they are no JSON.
std::optional<std::vector<Rule>> rules_of(const Snapshot& snapshot, const DataFile& file) {
  std::vector<Rule> rules;
  JsonReader json;
  const Result<JsonValue> statistics =
      file.stats_json.empty() ? Result<JsonValue>(JsonValue()) : json.read(file.stats_json);
  if (!statistics.ok()) {
    return std::nullopt;
  }
  const JsonValue* rows = statistics->find("numRecords");
  if (rows != nullptr && rows->integer() != nullptr) {
    rules.push_back({Rule::Kind::kRows,
                     nullptr,
                     "",
                     *rows->integer(),
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
          {Rule::Kind::kNulls,
           &field,
           "",
           *null_count->integer(),
           "nulls of column `" + field.name + "` are more or less than nullCount says"});
    }
  }
  return rules;
}

/// Files whose rows one statement counts.
class CountedFiles {
 public:
  CountedFiles(SqlEngine& sql, DeltaTable& table, const Snapshot& snapshot)
      : sql_(sql), table_(table), snapshot_(snapshot) {}

  void add(const DataFile& file, std::vector<Rule> rules) {
    const std::size_t number = files_.size();
    files_.push_back({static_cast<Version>(number), true, file, std::nullopt});
    std::vector<std::size_t> counts;
    for (const Rule& rule : rules) {
      std::string limit;
      if (!rule.bound.empty()) {
        std::vector<std::string>& bounds = bounds_[column_of(rule)];
        bounds.resize(number, "NULL");
        bounds.push_back(rule.bound);
        limit = "b." + SqlEngine::identifier(column_of(rule));
      }
      // The first two columns of the answer are the file's number and its rows.
      counts.push_back(counts_.emplace(rule.count(limit), counts_.size()).first->second);
    }
    rules_.push_back(std::move(rules));
    rule_counts_.push_back(std::move(counts));
  }

  /// What of each file does not hold, or "".
  Result<std::vector<std::string>> judge() {
    std::vector<std::string> selected(counts_.size());
    for (const auto& [count, at] : counts_) {
      selected[at] = ", CAST(" + count + " AS BIGINT) AS r" + std::to_string(at);
    }
    std::string select = "SELECT b.n";
    for (const std::string& count : selected) {
      select += count;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                           table_.relation_of_changes(snapshot_, files_));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch counts,
                           sql_.query(select + " FROM " + relation + " AS f JOIN " + bounds() +
                                      " ON f._commit_version = b.n GROUP BY b.n"));
    std::vector<std::optional<int64_t>> rows(files_.size());  // of the answer
    for (int64_t row = 0; row < counts.rows(); ++row) {
      const auto at = static_cast<std::size_t>(row);
      rows[static_cast<std::size_t>(counts.column(0).values<int64_t>()[at])] = row;
    }
    std::vector<std::string> broken(files_.size());
    for (std::size_t file = 0; file < files_.size(); ++file) {
      for (std::size_t i = 0; i < rules_[file].size() && broken[file].empty(); ++i) {
        const auto column = static_cast<int>(rule_counts_[file][i]) + 1;
        const int64_t counted =
            rows[file]
                ? counts.column(column).values<int64_t>()[static_cast<std::size_t>(*rows[file])]
                : 0;  // no row is none
        broken[file] = rules_[file][i].broken(counted);
      }
    }
    return broken;
  }

 private:
  /// Bounds of a column of the table that are of one type: else all would become doubles.
  static std::string column_of(const Rule& rule) {
    return std::string(rule.kind == Rule::Kind::kMin ? "min " : "max ") +
           (rule.bound.ends_with(" AS DOUBLE)") ? "double " : "") + rule.field->name;
  }

  /// "(VALUES (0, ...), ...) AS b(n, ...)": each file's number and bounds.
  std::string bounds() {
    std::string names = "n";
    for (auto& [name, values] : bounds_) {
      names += ", " + SqlEngine::identifier(name);
      values.resize(files_.size(), "NULL");
    }
    std::string rows;
    for (std::size_t file = 0; file < files_.size(); ++file) {
      rows += (file == 0 ? "(CAST(" : ", (CAST(") + std::to_string(file) + " AS BIGINT)";
      for (const auto& [name, values] : bounds_) {
        rows += ", " + values[file];
      }
      rows += ")";
    }
    return "(VALUES " + rows + ") AS b(" + names + ")";
  }

  SqlEngine& sql_;
  DeltaTable& table_;
  const Snapshot& snapshot_;
  std::vector<FileChange> files_;                      // their numbers as versions
  std::vector<std::vector<Rule>> rules_;               // of each file
  std::vector<std::vector<std::size_t>> rule_counts_;  // in the answer
  std::map<std::string, std::size_t> counts_;          // by their SQL
  std::map<std::string, std::vector<std::string>> bounds_;
};

/// More make a statement that takes longer to plan than to run.
constexpr std::size_t kFilesAtOnce = 64;

}  // namespace

Result<std::string> statistics_lie(SqlEngine& sql,
                                   DeltaTable& table,
                                   const Snapshot& snapshot,
                                   const DataFile& file) {
  if (file.deletion_vector) {
    return std::string();  // they are of the file, not of the rows that are left
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, table.relation_of(snapshot, {file}));
  const auto rules = rules_of(snapshot, file);
  if (!rules) {
    return std::string(kNoJson);
  }
  std::string select = "SELECT CAST(count(*) AS BIGINT)";
  for (std::size_t i = 0; i < rules->size(); ++i) {
    const Rule& rule = (*rules)[i];
    select += ", CAST(" + rule.count(rule.bound) + " AS BIGINT) AS r" + std::to_string(i);
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch counts,
                         sql.query(select + " FROM " + relation + " AS f"));
  for (std::size_t i = 0; i < rules->size(); ++i) {
    const int64_t counted = counts.column(static_cast<int>(i) + 1).values<int64_t>()[0];
    if (std::string broken = (*rules)[i].broken(counted); !broken.empty()) {
      return broken;
    }
  }
  return std::string();
}

std::vector<Result<std::string>> statistics_lies(SqlEngine& sql,
                                                 DeltaTable& table,
                                                 const Snapshot& snapshot,
                                                 const std::vector<DataFile>& files) {
  std::vector<Result<std::string>> lies(files.size(), std::string());
  for (std::size_t begin = 0; begin < files.size(); begin += kFilesAtOnce) {
    CountedFiles counted(sql, table, snapshot);
    std::vector<std::size_t> places;
    for (std::size_t i = begin; i < std::min(begin + kFilesAtOnce, files.size()); ++i) {
      auto rules = files[i].deletion_vector ? std::vector<Rule>() : rules_of(snapshot, files[i]);
      if (!rules) {
        lies[i] = std::string(kNoJson);
      } else if (!files[i].deletion_vector) {
        counted.add(files[i], *std::move(rules));
        places.push_back(i);
      }
    }
    const Result<std::vector<std::string>> broken =
        places.empty() ? std::vector<std::string>() : counted.judge();
    for (std::size_t i = 0; i < places.size(); ++i) {
      // A file that cannot be read is found one by one.
      lies[places[i]] = broken.ok() ? Result<std::string>((*broken)[i])
                                    : statistics_lie(sql, table, snapshot, files[places[i]]);
    }
  }
  return lies;
}

}  // namespace assay::lake
