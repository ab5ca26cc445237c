// What is written into a feature view, as rows of the source that the view is made of. A value that
// no source has would have no history; a row has one, and every other view of its table gets it,
// too. So rows must be whole: with every column that the table declares.

#include "serve/written_rows.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "catalog/feature_schema.h"

namespace assay::serve {
namespace {

constexpr char kEventTimestamp[] = "event_timestamp";  // as Feast's SDK calls it, whatever it is
constexpr char kCreated[] = "created";
constexpr char kEventTimeColumn[] = "event_time";  // of every table but bronze

Status not_written(const std::string& view, const std::string& why) {
  return {Code::kUnimplemented,
          "values of feature view " + view + " are computed " + why +
              ", online and offline alike, and are not written from outside; POST /push takes rows "
              "into a source"};
}

bool is_word_byte(char byte) {
  return std::isalnum(static_cast<unsigned char>(byte)) != 0 || byte == '_';
}

bool is_word(const std::string& token) {
  return !token.empty() && is_word_byte(token.front()) &&
         std::isdigit(static_cast<unsigned char>(token.front())) == 0;
}

/// Words of letters, digits and _, and every other byte that is no blank by itself.
std::vector<std::string> tokens_of(std::string_view sql) {
  std::vector<std::string> tokens;
  for (std::size_t at = 0; at < sql.size();) {
    if (std::isspace(static_cast<unsigned char>(sql[at])) != 0) {
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    while (is_word_byte(sql[at]) && end < sql.size() && is_word_byte(sql[end])) {
      ++end;
    }
    tokens.emplace_back(sql.substr(at, end - at));
    at = end;
  }
  return tokens;
}

bool is_keyword(const std::string& token, std::string_view upper) {
  return token.size() == upper.size() &&
         std::equal(token.begin(), token.end(), upper.begin(), [](char byte, char wanted) {
           return std::toupper(static_cast<unsigned char>(byte)) == wanted;
         });
}

/// Of `SELECT a, b AS c FROM table` the columns by the names that they get; nothing of any other
/// statement.
std::optional<std::map<std::string, std::string>> renamed_columns(const std::string& sql,
                                                                  const std::string& table) {
  const std::vector<std::string> tokens = tokens_of(sql);
  std::map<std::string, std::string> columns;
  std::size_t at = 0;
  const auto take = [&](std::string_view keyword) {
    const bool is_there = at < tokens.size() && is_keyword(tokens[at], keyword);
    at += is_there ? 1 : 0;
    return is_there;
  };
  const auto take_word = [&]() -> std::string {
    return at < tokens.size() && is_word(tokens[at]) ? tokens[at++] : "";
  };
  if (!take("SELECT")) {
    return std::nullopt;
  }
  do {
    const std::string column = take_word();
    const std::string name = take("AS") ? take_word() : column;
    if (column.empty() || name.empty() || is_keyword(column, "DISTINCT") ||
        !columns.emplace(name, column).second) {
      return std::nullopt;
    }
  } while (take(","));
  return take("FROM") && take_word() == table && at == tokens.size() ? std::optional(columns)
                                                                     : std::nullopt;
}

const catalog::ColumnDef* find_column(const catalog::BronzeDef& table, const std::string& name) {
  const auto found = std::find_if(table.columns.begin(),
                                  table.columns.end(),
                                  [&](const catalog::ColumnDef& one) { return one.name == name; });
  return found == table.columns.end() ? nullptr : &*found;
}

/// A list or struct with times in it: clients write these as numbers, files have them as text.
bool has_nested_times(const data::Type& type) {
  return type != data::Type::kTimestamp &&
         data::type_name(type).find("timestamp") != std::string::npos;
}

/// A time as a file of the table has it.
Result<JsonValue> time_for(const catalog::ColumnDef& column, const JsonValue& value) {
  if (std::holds_alternative<std::monostate>(value)) {
    return value;
  }
  EventTime time;
  if (const auto* text = std::get_if<std::string>(&value)) {
    ASSAY_ASSIGN_OR_RETURN(time, parse_time(*text));
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    if (__builtin_mul_overflow(*whole, kMicrosPerSecond, &time.micros)) {
      return Status(Code::kInvalidArgument, "not a time: " + std::to_string(*whole));
    }
  } else if (const auto* real = std::get_if<double>(&value);
             real != nullptr && std::abs(*real) < 1e12) {
    time.micros = std::llround(*real * static_cast<double>(kMicrosPerSecond));
  } else {
    return Status(Code::kInvalidArgument, "a time is text or seconds since the epoch");
  }
  switch (column.unit) {
    case data::TimeUnit::kSeconds:
      return time.micros % kMicrosPerSecond == 0 ? JsonValue(time.micros / kMicrosPerSecond)
                                                 : JsonValue(static_cast<double>(time.micros) /
                                                             static_cast<double>(kMicrosPerSecond));
    case data::TimeUnit::kMillis:
      return time.micros % 1000 == 0 ? JsonValue(time.micros / 1000)
                                     : JsonValue(static_cast<double>(time.micros) / 1000);
    case data::TimeUnit::kMicros:
      return JsonValue(time.micros);
    case data::TimeUnit::kText:
      break;
  }
  return JsonValue(format_time(time));
}

/// The column of the table that one of a written frame is for; nothing: it counts for none.
std::optional<std::string> column_for(const WrittenView& view, const std::string& name) {
  const auto known = view.columns.find(name);
  if (known != view.columns.end()) {
    return known->second;
  }
  if (find_column(*view.table, name) != nullptr) {
    return name;
  }
  if (name == kEventTimestamp) {
    return view.table->event_time;
  }
  if (name == kCreated) {
    return view.table->known_time.kind == catalog::KnownTimeDef::Kind::kColumn
               ? std::optional(view.table->known_time.text)
               : std::nullopt;
  }
  return name;  // as a push has it
}

/// The columns that a view reads, by the names that it has for them, in its bronze table.
Result<WrittenView> through_silver(const catalog::Project& project,
                                   const catalog::FeatureViewDef& view,
                                   const std::map<std::string, std::string>& read) {
  WrittenView found;
  std::string from = view.from;
  std::map<std::string, std::string> renamed;
  const auto silver = project.silver.find(from);
  if (silver != project.silver.end()) {
    from = silver->second.from;
    const auto columns = renamed_columns(silver->second.sql, from);
    if (!columns.has_value() || !silver->second.enrich.empty()) {
      return not_written(view.name, "from the rows of table " + view.from);
    }
    renamed = *columns;
  }
  const auto bronze = project.bronze.find(from);
  if (bronze == project.bronze.end()) {
    return not_written(view.name, "from the rows of table " + view.from);
  }
  found.table = &bronze->second;
  found.source = bronze->second.source;
  for (const auto& [name, column] : read) {
    const auto of_silver = renamed.find(column);
    found.columns[name] = of_silver == renamed.end() ? column : of_silver->second;
  }
  const auto time = renamed.find(kEventTimeColumn);
  if (time != renamed.end() && time->second != found.table->event_time &&
      time->second != kEventTimeColumn) {
    return not_written(view.name, "at times that table " + view.from + " makes");
  }
  return found;
}

}  // namespace

Result<WrittenView> find_written_view(const catalog::Project& project, const std::string& name) {
  const auto known = project.views.find(name);
  if (known == project.views.end()) {
    return not_written(name, "from other features");
  }
  const catalog::FeatureViewDef& view = known->second;
  std::map<std::string, std::string> read;
  for (const catalog::FeatureDef& feature : view.features) {
    if (feature.kind == catalog::FeatureDef::Kind::kLatest && feature.where.empty()) {
      read[feature.name] = feature.column.empty() ? feature.name : feature.column;
    }
  }
  if (read.empty() || read.size() != view.features.size()) {
    return not_written(name, "from the rows of table " + view.from);
  }
  if (const catalog::EntityDef* const entity = catalog::find_entity(project, view.entity)) {
    for (const data::Field& key : entity->keys) {
      read[key.name] = key.name;
    }
  }
  ASSAY_ASSIGN_OR_RETURN(WrittenView found, through_silver(project, view, read));
  const catalog::BronzeDef& table = *found.table;
  const auto reads_source = [&](const auto& one) { return one.second.source == found.source; };
  if (table.of_changes ||
      std::count_if(project.bronze.begin(), project.bronze.end(), reads_source) != 1) {
    return not_written(name, "from the rows of source " + found.source);
  }
  if (find_column(table, table.event_time) == nullptr) {
    return not_written(name, "at times that table " + table.name + " makes");
  }
  std::set<std::string> read_once;
  for (const auto& [of_view, column] : found.columns) {
    const catalog::ColumnDef* const declared = find_column(table, column);
    if (declared == nullptr || has_nested_times(declared->type) ||
        !read_once.insert(column).second) {
      return not_written(name, "from `" + column + "` of table " + table.name);
    }
  }
  return found;
}

Result<WriteBody> rows_of_source(const WrittenView& view, const WriteBody& written) {
  WriteBody rows;
  rows.target = view.source;
  rows.verdicts = written.verdicts;
  for (const JsonColumn& sent : written.df) {
    const std::optional<std::string> name = column_for(view, sent.name);
    if (!name.has_value()) {
      continue;
    }
    if (std::any_of(rows.df.begin(), rows.df.end(), [&](const JsonColumn& before) {
          return before.name == *name;
        })) {
      return Status(Code::kInvalidArgument,
                    "column `" + *name + "` of table " + view.table->name +
                        " is there twice, once as `" + sent.name + "`");
    }
    JsonColumn column{*name, sent.values};
    const catalog::ColumnDef* const declared = find_column(*view.table, *name);
    if (declared != nullptr && declared->type == data::Type::kTimestamp) {
      for (JsonValue& value : column.values) {
        Result<JsonValue> time = time_for(*declared, value);
        if (!time.ok()) {
          return std::move(time).status().with_context(sent.name);
        }
        value = *std::move(time);
      }
    }
    rows.df.push_back(std::move(column));
  }
  for (const catalog::ColumnDef& column : view.table->columns) {
    if (!column.default_value.has_value() &&
        std::none_of(rows.df.begin(), rows.df.end(), [&](const JsonColumn& sent) {
          return sent.name == column.name;
        })) {
      return Status(Code::kInvalidArgument,
                    "what is written into a feature view is a row of source " + view.source +
                        ", with all columns of table " + view.table->name + "; `" + column.name +
                        "` is missing");
    }
  }
  return rows;
}

}  // namespace assay::serve
