// Checks of tables. One entry may hold several checks of one column; each becomes a CheckDef.

#include <algorithm>
#include <array>
#include <utility>

#include "catalog/parse_sections.h"

namespace assay::catalog {
namespace {

struct CheckKey {
  const char* key;
  CheckKind kind;
  bool needs_column;
  bool of_rows;  // can set single rows aside
};

constexpr std::array<CheckKey, 9> kCheckKeys{{{"not_null", CheckKind::kNotNull, true, true},
                                              {"range", CheckKind::kRange, true, true},
                                              {"in_set", CheckKind::kInSet, true, true},
                                              {"regex", CheckKind::kRegex, true, true},
                                              {"unique", CheckKind::kUnique, true, true},
                                              {"type", CheckKind::kType, true, true},
                                              {"freshness", CheckKind::kFreshness, false, false},
                                              {"row_count", CheckKind::kRowCount, false, false},
                                              {"expr", CheckKind::kExpr, false, true}}};

OnFail on_fail_of(const std::string& text) {
  if (text == "drop") {
    return OnFail::kDrop;
  }
  if (text == "warn") {
    return OnFail::kWarn;
  }
  return text == "fail" ? OnFail::kFail : OnFail::kQuarantine;
}

std::optional<data::Scalar> end_of_range(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kNull) {
    return std::nullopt;
  }
  return literal_of(node);
}

void read_row_count(ParseContext& context, const YamlNode& node, CheckDef* check) {
  const SectionReader reader(context, node, {"row_count", "`row_count`", false});
  if (reader.has("min")) {
    check->min = data::Scalar::int64(reader.integer("min"));
  }
  if (reader.has("max")) {
    check->max = data::Scalar::int64(reader.integer("max"));
  }
  if (node.entries.empty()) {
    context.error("E0203", node, "`row_count` has neither `min` nor `max`");
  } else if (check->min && check->max &&
             std::get<int64_t>(check->min->value) > std::get<int64_t>(check->max->value)) {
    context.error("E0201", node, "`min` is larger than `max`");
  }
}

void read_values(ParseContext& context, const SectionReader& reader, CheckDef* check) {
  switch (check->kind) {
    case CheckKind::kRange: {
      const YamlNode& range = *reader.find("range");
      check->min = end_of_range(range.items[0]);
      check->max = end_of_range(range.items[1]);
      if (!check->min && !check->max) {
        context.error("E0203", range, "a range that is open at both ends");
      }
      break;
    }
    case CheckKind::kInSet:
      for (const YamlNode& item : reader.find("in_set")->items) {
        check->set.push_back(literal_of(item));
      }
      break;
    case CheckKind::kRegex:
      check->pattern = reader.text("regex");
      break;
    case CheckKind::kType:
      check->type = reader.column_type("type").type;
      break;
    case CheckKind::kFreshness:
      check->age_max = reader.duration("freshness").value_or(Duration{});
      break;
    case CheckKind::kRowCount:
      read_row_count(context, *reader.find("row_count"), check);
      break;
    case CheckKind::kExpr:
      check->expression = reader.text("expr");
      break;
    case CheckKind::kNotNull:
    case CheckKind::kUnique:
      break;
  }
}

/// `not_null: false` says nothing.
bool is_switched_off(const CheckKey& row, const SectionReader& reader) {
  return (row.kind == CheckKind::kNotNull || row.kind == CheckKind::kUnique) &&
         !reader.boolean(row.key);
}

void read_check(ParseContext& context,
                const YamlNode& node,
                const std::string& title,
                std::vector<CheckDef>* checks) {
  const SectionReader reader(context, node, {"check", "a check of " + title, false});
  int found = 0;
  for (const CheckKey& row : kCheckKeys) {
    found += node.find(row.key) != nullptr ? 1 : 0;
    if (!reader.has(row.key) || is_switched_off(row, reader)) {
      continue;
    }
    if (row.needs_column && node.find("column") == nullptr) {
      context.error("E0103",
                    *reader.find(row.key),
                    "`" + std::string(row.key) + "` needs a `column`",
                    "add `column: name` beside it");
    }
    CheckDef check;
    check.kind = row.kind;
    check.column = row.needs_column ? reader.text("column") : "";
    check.span = context.span(node.mark);
    check.on_fail =
        row.of_rows || reader.has("on_fail") ? on_fail_of(reader.text("on_fail")) : OnFail::kWarn;
    if (!row.of_rows && check.on_fail != OnFail::kWarn && check.on_fail != OnFail::kFail) {
      context.error(
          "E0203",
          *reader.find("on_fail"),
          "`" + std::string(row.key) + "` is about a whole commit and cannot set rows aside",
          "take `on_fail: warn` or `on_fail: fail`");
    }
    read_values(context, reader, &check);
    checks->push_back(std::move(check));
  }
  if (found == 0 && node.kind == YamlNode::Kind::kMap) {
    context.error(
        "E0203",
        node,
        "a check of " + title + " that checks nothing",
        "add one of not_null, range, in_set, regex, unique, type, freshness, row_count, expr");
  }
}

std::string format_value(const data::Scalar& value) {
  return value.type == data::Type::kBool ? (std::get<bool>(value.value) ? "true" : "false")
                                         : data::format_scalar(value);
}

/// The value read again as the column's type; an error when it is none.
void type_value(ParseContext& context,
                const YamlNode& node,
                const ColumnDef& column,
                data::Scalar* value) {
  if (value->is_null()) {
    return;
  }
  Result<data::Scalar> typed = data::parse_scalar(format_value(*value), column.type);
  if (!typed.ok()) {
    context.error("E0201",
                  node,
                  "`" + format_value(*value) + "` is no value of column `" + column.name +
                      "`, which is " + std::string(data::type_name(column.type)));
    return;
  }
  *value = std::move(typed).value();
}

void type_check(ParseContext& context,
                const YamlNode& node,
                const ColumnDef& column,
                CheckDef* check) {
  if (check->kind == CheckKind::kInSet) {
    const YamlNode& items = *node.find("in_set");
    for (std::size_t i = 0; i < check->set.size(); ++i) {
      type_value(context, items.items[i], column, &check->set[i]);
    }
  } else if (check->kind == CheckKind::kRange) {
    const YamlNode& range = *node.find("range");
    if (check->min) {
      type_value(context, range.items[0], column, &*check->min);
    }
    if (check->max) {
      type_value(context, range.items[1], column, &*check->max);
    }
  }
}

}  // namespace

std::vector<CheckDef> parse_checks(ParseContext& context,
                                   const YamlNode& list,
                                   const std::string& title) {
  std::vector<CheckDef> checks;
  for (const YamlNode& item : list.items) {
    read_check(context, item, title, &checks);
  }
  return checks;
}

void type_checks(ParseContext& context,
                 const YamlNode& list,
                 const std::vector<ColumnDef>& columns,
                 std::vector<CheckDef>* checks) {
  for (CheckDef& check : *checks) {
    const auto column =
        std::find_if(columns.begin(), columns.end(), [&](const ColumnDef& candidate) {
          return candidate.name == check.column;
        });
    if (column == columns.end()) {
      continue;
    }
    for (const YamlNode& item : list.items) {
      if (item.mark.line == check.span.line && item.mark.column == check.span.column) {
        type_check(context, item, *column, &check);
        break;
      }
    }
  }
}

}  // namespace assay::catalog
