// Sources, bronze and silver tables: references, column names and types, expressions, circles.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/suggest.h"
#include "catalog/table_schema.h"
#include "catalog/validation.h"
#include "catalog/value_reading.h"

namespace assay::catalog {
namespace {

void missing_column(Validation& v,
                    const std::string& path,
                    const std::string& column,
                    const std::string& table,
                    const std::vector<std::string>& known) {
  const std::optional<std::string> near = suggest(column, known);
  v.error("E0308",
          path,
          "table `" + table + "` has no column `" + column + "`",
          near.has_value() ? "did you mean `" + *near + "`?" : "");
}

const ColumnDef* find_column(const BronzeDef& bronze, const std::string& name) {
  for (const ColumnDef& column : bronze.columns) {
    if (column.name == name) {
      return &column;
    }
  }
  return nullptr;
}

void check_scrub(Validation& v, const ColumnDef& column, const std::string& path) {
  const bool on_text = column.scrub == Scrub::kHmac || column.scrub == Scrub::kMask ||
                       column.scrub == Scrub::kTruncate;
  const bool is_real = data::is_real(column.type);
  if (on_text && column.type != data::Type::kString) {
    v.error("E0306",
            path + "/scrub",
            "only a string can be hashed, masked or truncated",
            "declare `" + column.name + "` as string");
  } else if (column.scrub == Scrub::kRound && !is_real) {
    v.error("E0306", path + "/scrub", "only float32 and float64 can be rounded");
  }
  if (!column.pii.empty() && column.scrub == Scrub::kNone) {
    v.warn_at_key("W0401",
                  path,
                  "column `" + column.name + "` holds personal data and is stored as it comes",
                  "add `scrub: hmac`, `mask`, `truncate`, `round` or `drop`");
  }
}

void check_columns(Validation& v, const BronzeDef& bronze) {
  std::set<std::string> names;
  for (const ColumnDef& column : bronze.columns) {
    const std::string path = "bronze/" + bronze.name + "/columns/" + column.name;
    if (!names.insert(lower_ascii(column.name)).second) {
      v.error_at_key(
          "E0305", path, "two columns are called `" + column.name + "` when case is ignored");
    }
    if (is_reserved_column(column.name) &&
        !(column.name == "event_time" && bronze.event_time == "event_time")) {
      v.error_at_key("E0302",
                     path,
                     "column name `" + column.name + "` is reserved",
                     column.name == "event_time"
                         ? "declare `event_time: event_time`, or rename the column"
                         : "rename the column");
    }
    if (bronze.of_changes && lower_ascii(column.name) == kIsDeleted) {
      v.error_at_key("E0302",
                     path,
                     "column name `" + column.name + "` is reserved in a table of changes",
                     "rename the column");
    }
    check_scrub(v, column, path);
  }
}

/// Why the column cannot be read from a field of another name; "" where it can.
std::string why_not_from(const SourceDef& source, const ColumnDef& column) {
  const auto is_beside = [](const std::string& name) {
    return std::count(kKafkaColumns.begin(), kKafkaColumns.end(), name) != 0;
  };
  if (source.format == Format::kRaw) {
    return "`from` in a table of `format: raw`, whose records have no fields";
  }
  if (source.kafka.has_value() && is_beside(column.name)) {
    return "`" + column.name + "` with `from`: it stands beside the record, not in it";
  }
  if (source.kafka.has_value() && is_beside(column.from)) {
    return "`" + column.from + "` is no field: it stands beside the record";
  }
  if (source.format == Format::kDebezium && column.name.starts_with("__")) {
    return "`" + column.name + "` with `from`: Debezium writes it beside the row";
  }
  return "";
}

/// `from`: what it names is a field, and one column's alone.
void check_fields(Validation& v, const BronzeDef& bronze) {
  const auto source = v.project().sources.find(bronze.source);
  std::map<std::string, const ColumnDef*> columns;
  for (const ColumnDef& column : bronze.columns) {
    const auto path = [&](const std::string& name) {
      return "bronze/" + bronze.name + "/columns/" + name + "/from";
    };
    const std::string why = column.from.empty() || source == v.project().sources.end()
                                ? ""
                                : why_not_from(source->second, column);
    if (!why.empty()) {
      v.error("E0203",
              path(column.name),
              why,
              why.starts_with("`" + column.from) ? "call the column so, without `from`"
                                                 : "leave `from` out, or rename the column");
      continue;
    }
    const auto [other, is_first] = columns.emplace(column.field(), &column);
    if (!is_first && (!column.from.empty() || !other->second->from.empty())) {
      const bool is_this = !column.from.empty();
      v.error("E0305",
              path(is_this ? column.name : other->second->name),
              "field `" + column.field() + "` is read by column `" +
                  (is_this ? other->second->name : column.name) + "` already",
              "a field is one column; silver's SQL may select it under further names");
    }
  }
}

/// Of `format: raw` nothing is read: there are the value and what stands beside it.
void check_raw_columns(Validation& v, const BronzeDef& bronze) {
  const auto source = v.project().sources.find(bronze.source);
  if (source == v.project().sources.end() || source->second.format != Format::kRaw) {
    return;
  }
  for (const ColumnDef& column : bronze.columns) {
    const std::string path = "bronze/" + bronze.name + "/columns/" + column.name;
    const bool is_value = column.name == kValueColumn;
    if (!is_value && std::count(kKafkaColumns.begin(), kKafkaColumns.end(), column.name) == 0) {
      v.error_at_key("E0308",
                     path,
                     "source `" + bronze.source +
                         "` is `format: raw`: its records have no column `" + column.name + "`",
                     "declare `_value` (string or bytes) and what stands beside it: `_key`, "
                     "`_topic`, `_partition`, `_offset`, `_timestamp`, `_headers`");
    } else if (is_value && column.type != data::Type::kString &&
               column.type != data::Type::kBytes) {
      v.error_at_key("E0306",
                     path,
                     "`_value` is " + std::string(data::type_name(column.type)),
                     "declare it as string or bytes; silver's SQL may cast it");
    } else if (is_value && (column.default_value.has_value() || !column.null_texts.empty())) {
      v.error_at_key("E0203",
                     path,
                     "`_value` with `default` or `null_texts`: it is kept as it comes",
                     "leave them out; silver's SQL may replace values");
    }
  }
}

void check_key(Validation& v, const BronzeDef& bronze) {
  for (std::size_t i = 0; i < bronze.key.size(); ++i) {
    std::string path = "bronze/" + bronze.name + "/key/" + std::to_string(i);
    const ColumnDef* column = find_column(bronze, bronze.key[i]);
    if (column == nullptr) {
      missing_column(v, path, bronze.key[i], bronze.name, bronze_input_schema(bronze)->names());
    } else if (!data::is_key_type(column->type)) {
      v.error("E0306",
              path,
              "key column `" + column->name + "` is " + data::type_name(column->type),
              "keys are whole numbers, text, bool, dates or timestamps");
    } else if (column->scrub != Scrub::kNone && column->scrub != Scrub::kHmac) {
      v.error("E0306",
              path,
              "key column `" + column->name + "` is scrubbed so that it no longer tells rows apart",
              "take `scrub: hmac`, which keeps equal values equal");
    }
  }
}

/// `on_same_key: replace` and `delete_when`.
void check_changes(Validation& v, const BronzeDef& bronze, const data::Schema& schema) {
  const std::string path = "bronze/" + bronze.name;
  if (bronze.of_changes && bronze.key.empty()) {
    v.error("E0203",
            path + "/on_same_key",
            bronze.says_same_key ? "`on_same_key: replace` without `key`"
                                 : "a table of Debezium's events without `key`",
            "add `key: [...]`: the columns that say which rows are versions of the same");
  }
  if (bronze.delete_when.empty()) {
    return;
  }
  if (!bronze.of_changes) {
    v.error("E0203",
            path + "/delete_when",
            "`delete_when` in a table whose rows are never replaced",
            "add `on_same_key: replace`");
    return;
  }
  v.compile_condition(path + "/delete_when", bronze.delete_when, schema);
}

void check_time(Validation& v,
                const std::string& path,
                const std::string& text,
                const data::Schema& schema) {
  const std::optional<data::Type> type = v.compile(path, text, schema);
  if (type.has_value() && *type != data::Type::kTimestamp && *type != data::Type::kDate) {
    v.error(
        "E0306",
        path,
        "`" + text + "` is " + std::string(data::type_name(*type)) + " where a timestamp is needed",
        "declare the column as timestamp, with `unit: ms` when it is a number");
  }
}

/// Paths of the forms `x: column`, `x: {column: c}` and `x: {expr: e}`: the places know which there
/// is.
void check_times(Validation& v, const BronzeDef& bronze, const data::Schema& schema) {
  const std::string path = "bronze/" + bronze.name;
  if (!bronze.event_time.empty()) {
    const bool column = is_column_name(bronze.event_time);
    if (column && !schema.find(bronze.event_time).has_value()) {
      missing_column(
          v, path + "/event_time/column", bronze.event_time, bronze.name, schema.names());
    } else {
      check_time(v,
                 path + (column ? "/event_time/column" : "/event_time/expr"),
                 bronze.event_time,
                 schema);
    }
  }
  const KnownTimeDef& known = bronze.known_time;
  if (known.kind == KnownTimeDef::Kind::kColumn && !schema.find(known.text).has_value()) {
    missing_column(v, path + "/known_time/column", known.text, bronze.name, schema.names());
  } else if (known.kind == KnownTimeDef::Kind::kColumn) {
    check_time(v, path + "/known_time/column", known.text, schema);
  } else if (known.kind == KnownTimeDef::Kind::kExpr) {
    std::vector<data::Field> fields = schema.fields();
    if (!schema.find("event_time").has_value()) {
      fields.push_back({"event_time", data::Type::kTimestamp, true});
    }
    check_time(v, path + "/known_time/expr", known.text, data::Schema(std::move(fields)));
  }
}

/// Checks of a table; several may come from one entry, so places are found by the entry's own.
void check_checks(Validation& v,
                  const std::string& path,
                  const std::string& table,
                  const std::vector<CheckDef>& checks,
                  const data::Schema& schema) {
  int entry = -1;
  Span last;
  for (const CheckDef& check : checks) {
    if (entry < 0 || check.span.line != last.line || check.span.column != last.column) {
      ++entry;
      last = check.span;
    }
    const std::string at = path + "/checks/" + std::to_string(entry);
    if (!check.column.empty() && !schema.find(check.column).has_value()) {
      missing_column(v, at + "/column", check.column, table, schema.names());
    } else if (check.kind == CheckKind::kExpr) {
      v.compile_condition(at + "/expr", check.expression, schema);
    } else if (!check.column.empty() &&
               (check.kind == CheckKind::kRegex || check.kind == CheckKind::kType)) {
      const data::Type type = schema.field(*schema.find(check.column)).type;
      if (type != data::Type::kString) {
        v.error("E0306",
                at + "/column",
                "column `" + check.column + "` is " + std::string(data::type_name(type)) +
                    " where a string is needed");
      }
    }
  }
}

void check_bronze(Validation& v, const BronzeDef& bronze) {
  const std::string path = "bronze/" + bronze.name;
  if (v.project().sources.count(bronze.source) == 0) {
    v.unknown(path + "/source", "source", bronze.source, names_of(v.project().sources));
  }
  for (std::size_t i = 0; i < bronze.partition_by.size(); ++i) {
    const std::string& partition = bronze.partition_by[i];
    if (partition != "dt" && partition != "hr") {
      v.error("E0201",
              path + "/partition_by/" + std::to_string(i),
              "a bronze table cannot be partitioned by `" + partition + "`",
              "take `dt` (date), `hr` (hour), both or `[]`");
    }
  }
  check_columns(v, bronze);
  check_raw_columns(v, bronze);
  check_fields(v, bronze);
  if (v.is_broken(path)) {
    return;
  }
  const data::SchemaPtr schema = bronze_input_schema(bronze);
  check_key(v, bronze);
  check_changes(v, bronze, *schema);
  check_times(v, bronze, *schema);
  check_checks(v, path, bronze.name, bronze.checks, *schema);
}

void check_enrich(Validation& v, const SilverDef& silver, std::size_t index) {
  const EnrichDef& enrich = silver.enrich[index];
  const std::string path = "silver/" + silver.name + "/enrich/" + std::to_string(index);
  if (!layer_of(v.project(), enrich.lookup).has_value()) {
    v.unknown(path + "/lookup", "table", enrich.lookup, v.table_names());
    return;
  }
  if (enrich.on.empty() || enrich.columns.empty()) {
    return;
  }
  const data::SchemaPtr schema = v.table_schema(enrich.lookup);
  if (schema == nullptr) {
    return;
  }
  const bool renamed = !enrich.lookup_on.empty();
  const std::vector<std::string>& keys = renamed ? enrich.lookup_on : enrich.on;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!schema->find(keys[i]).has_value()) {
      missing_column(v,
                     path + (renamed ? "/lookup_on/" : "/on/") + std::to_string(i),
                     keys[i],
                     enrich.lookup,
                     schema->names());
    }
  }
  for (std::size_t i = 0; i < enrich.columns.size(); ++i) {
    if (!schema->find(enrich.columns[i]).has_value()) {
      missing_column(v,
                     path + "/columns/" + std::to_string(i),
                     enrich.columns[i],
                     enrich.lookup,
                     schema->names());
    }
    if (is_reserved_column(enrich.prefix + enrich.columns[i])) {
      v.error("E0302",
              path + "/columns/" + std::to_string(i),
              "column name `" + enrich.prefix + enrich.columns[i] + "` is reserved",
              "add a `prefix`");
    }
  }
}

void check_silver(Validation& v, const SilverDef& silver) {
  const std::string path = "silver/" + silver.name;
  if (v.project().bronze.count(silver.from) == 0) {
    if (v.project().silver.count(silver.from) > 0) {
      v.error("E0301",
              path + "/from",
              "`" + silver.from + "` is a silver table; silver is made from bronze",
              "name the bronze table, and add the other's columns by `enrich`");
    } else {
      v.unknown(path + "/from", "bronze table", silver.from, names_of(v.project().bronze));
    }
  }
  for (std::size_t i = 0; i < silver.enrich.size(); ++i) {
    check_enrich(v, silver, i);
  }
  const data::SchemaPtr schema = v.silver_schema(silver.name);
  if (schema == nullptr) {
    return;
  }
  check_checks(v, path, silver.name, silver.checks, *schema);
  for (std::size_t i = 0; i < silver.partition_by.size(); ++i) {
    if (silver.partition_by[i] != "event_date" &&
        !schema->find(silver.partition_by[i]).has_value()) {
      missing_column(v,
                     path + "/partition_by/" + std::to_string(i),
                     silver.partition_by[i],
                     silver.name,
                     schema->names());
    }
  }
}

/// Follow lookups among silver tables, depth first; `trail` is the way here.
void follow_lookups(Validation& v,
                    const std::string& table,
                    std::vector<std::string>* trail,
                    std::set<std::string>* done) {
  if (done->count(table) > 0) {
    return;
  }
  trail->push_back(table);
  const SilverDef& silver = v.project().silver.at(table);
  for (std::size_t i = 0; i < silver.enrich.size(); ++i) {
    const std::string& next = silver.enrich[i].lookup;
    const auto seen = std::find(trail->begin(), trail->end(), next);
    if (seen != trail->end()) {
      std::string circle;
      for (auto step = seen; step != trail->end(); ++step) {
        circle += *step + " -> ";
      }
      v.error("E0304",
              "silver/" + table + "/enrich/" + std::to_string(i) + "/lookup",
              "silver tables look each other up in a circle: " + circle + next,
              "make one of them read the bronze table instead");
    } else if (v.project().silver.count(next) > 0) {
      follow_lookups(v, next, trail, done);
    }
  }
  trail->pop_back();
  done->insert(table);
}

/// Said only when every bronze table's source is known: else the one not read may be the one meant.
void warn_of_unread_sources(Validation& v) {
  std::set<std::string> read;
  for (const auto& [name, bronze] : v.project().bronze) {
    if (v.project().sources.count(bronze.source) == 0) {
      return;
    }
    read.insert(bronze.source);
  }
  for (const auto& [name, source] : v.project().sources) {
    if (read.count(name) == 0) {
      v.warn_at_key("W0402", "sources/" + name, "no bronze table reads source `" + name + "`");
    }
  }
}

}  // namespace

void validate_tables(Validation& validation) {
  const Project& project = validation.project();
  std::set<std::string> done;
  for (const auto& [name, silver] : project.silver) {
    std::vector<std::string> trail;
    follow_lookups(validation, name, &trail, &done);
  }
  for (const auto& [name, bronze] : project.bronze) {
    check_bronze(validation, bronze);
  }
  for (const auto& [name, silver] : project.silver) {
    check_silver(validation, silver);
  }
  warn_of_unread_sources(validation);
}

}  // namespace assay::catalog
