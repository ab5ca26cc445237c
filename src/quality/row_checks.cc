#include "quality/row_checks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/suggest.h"
#include "catalog/definition_names.h"
#include "data/expression.h"
#include "data/scalar.h"
#include "quality/checks.h"
#include "quality/regex.h"

namespace assay::quality {
namespace {

using catalog::CheckDef;
using catalog::CheckKind;
using data::Scalar;
using data::Type;

Status bad(const CheckDef& check, const std::string& why) {
  return {Code::kInvalidArgument, "check " + check_name(check) + ": " + why};
}

/// Judges the valid rows of one column by `pass(row)`; nulls pass.
template <typename Pass>
std::vector<uint8_t> judge(const data::Column& column, const Pass& pass) {
  std::vector<uint8_t> verdicts(static_cast<std::size_t>(column.size()), 1);
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_valid(row) && !pass(row)) {
      verdicts[static_cast<std::size_t>(row)] = 0;
    }
  }
  return verdicts;
}

/// Wraps a judge of one column into a RowCheck that finds the column by name.
template <typename JudgeColumn>
RowCheck over_column(const data::Field& field, JudgeColumn judge_column) {
  return [field, judge_column](const data::Batch& batch) -> Result<std::vector<uint8_t>> {
    const data::Column* column = batch.find(field.name);
    if (column == nullptr || column->type() != field.type) {
      return Status(Code::kInvalidArgument,
                    "a check needs column `" + field.name + "` of type " +
                        std::string(data::type_name(field.type)));
    }
    return judge_column(*column);
  };
}

bool is_integer_like(data::TypeId type) {
  return data::is_integer(type) || data::is_time(type) || type == Type::kDate ||
         type == Type::kBool;
}

int64_t integer_at(const data::Column& column, int64_t row) {
  return column.integer(row);
}

double double_at(const data::Column& column, int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  if (column.type() == Type::kDecimal) {
    return data::decimal_to_double(column.values<data::Int128>()[at], column.type().scale());
  }
  return column.type() == Type::kFloat32 ? static_cast<double>(column.values<float>()[at])
                                         : column.values<double>()[at];
}

/// `value` as the check's column holds it: texts are read, whole doubles become integers.
Result<Scalar> value_of_type(const CheckDef& check, const Scalar& value, const Type& type) {
  const Status wrong = bad(check,
                           "`" + data::format_scalar(value) + "` is not a value of type " +
                               std::string(data::type_name(type)) + "; write one that is");
  if (value.is_null()) {
    return bad(check, "null cannot be compared with; use not_null");
  }
  if (value.type == type) {
    return value;
  }
  const bool is_text_type = data::is_text(type);
  const bool is_floating = type == Type::kFloat32 || type == Type::kFloat64;
  if (is_floating && std::holds_alternative<int64_t>(value.value)) {
    return Scalar{type, static_cast<double>(std::get<int64_t>(value.value))};
  }
  if (is_floating && std::holds_alternative<double>(value.value)) {
    return Scalar{type, std::get<double>(value.value)};
  }
  if (!is_text_type && data::is_text(value.type)) {
    Result<Scalar> read = data::parse_scalar(std::get<std::string>(value.value), type);
    return read.ok() ? std::move(read) : wrong;
  }
  const bool is_integer = data::is_integer(type);
  if (is_integer && std::holds_alternative<int64_t>(value.value) && data::is_numeric(value.type)) {
    return Scalar{type, std::get<int64_t>(value.value)};
  }
  if (is_text_type) {  // YAML reads 007 and true as no texts; the column's values are texts
    return Scalar{type, data::format_scalar(value)};
  }
  if (is_integer && std::holds_alternative<double>(value.value)) {
    const double number = std::get<double>(value.value);
    if (number == std::floor(number) && std::fabs(number) < 9.0e18) {
      return Scalar{type, static_cast<int64_t>(number)};
    }
  }
  return wrong;
}

struct IntegerRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

/// A bound of an integer column may be a fraction: then the whole number inside the range counts.
Result<int64_t> integer_bound(const CheckDef& check, const Scalar& bound, Type type, bool is_min) {
  const bool is_fraction = std::holds_alternative<double>(bound.value) && data::is_numeric(type);
  if (!is_fraction) {
    ASSAY_ASSIGN_OR_RETURN(const Scalar value, value_of_type(check, bound, type));
    return std::holds_alternative<bool>(value.value) ? int64_t{std::get<bool>(value.value)}
                                                     : std::get<int64_t>(value.value);
  }
  const double number =
      is_min ? std::ceil(std::get<double>(bound.value)) : std::floor(std::get<double>(bound.value));
  if (std::isnan(number)) {
    return bad(check, "NaN is no bound");
  }
  if (number >= 9223372036854775808.0) {
    return std::numeric_limits<int64_t>::max();
  }
  return number < -9223372036854775808.0 ? std::numeric_limits<int64_t>::min()
                                         : static_cast<int64_t>(number);
}

Result<RowCheck> integer_range(const CheckDef& check, const data::Field& field) {
  IntegerRange range;
  if (check.min) {
    ASSAY_ASSIGN_OR_RETURN(range.min, integer_bound(check, *check.min, field.type, true));
  }
  if (check.max) {
    ASSAY_ASSIGN_OR_RETURN(range.max, integer_bound(check, *check.max, field.type, false));
  }
  return over_column(field, [range](const data::Column& column) {
    return judge(column, [&](int64_t row) {
      const int64_t value = integer_at(column, row);
      return value >= range.min && value <= range.max;
    });
  });
}

Result<RowCheck> floating_range(const CheckDef& check, const data::Field& field) {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  if (check.min) {
    ASSAY_ASSIGN_OR_RETURN(const Scalar value, value_of_type(check, *check.min, Type::kFloat64));
    min = std::get<double>(value.value);
  }
  if (check.max) {
    ASSAY_ASSIGN_OR_RETURN(const Scalar value, value_of_type(check, *check.max, Type::kFloat64));
    max = std::get<double>(value.value);
  }
  return over_column(field, [min, max](const data::Column& column) {
    return judge(column, [&](int64_t row) {
      const double value = double_at(column, row);
      return value >= min && value <= max;
    });
  });
}

Result<RowCheck> text_range(const CheckDef& check, const data::Field& field) {
  std::optional<std::string> min;
  std::optional<std::string> max;
  if (check.min) {
    ASSAY_ASSIGN_OR_RETURN(const Scalar value, value_of_type(check, *check.min, field.type));
    min = std::get<std::string>(value.value);
  }
  if (check.max) {
    ASSAY_ASSIGN_OR_RETURN(const Scalar value, value_of_type(check, *check.max, field.type));
    max = std::get<std::string>(value.value);
  }
  return over_column(field, [min, max](const data::Column& column) {
    return judge(column, [&](int64_t row) {
      const std::string_view value = column.text(row);
      return (!min || value >= *min) && (!max || value <= *max);
    });
  });
}

/// Lists, arrays, structs and maps are not compared with bounds or sets.
Status refuse_nested(const CheckDef& check, const data::Field& field) {
  if (!data::is_nested(field.type)) {
    return {};
  }
  return bad(check,
             "column `" + field.name + "` is " + data::type_name(field.type) +
                 "; this check reads single values");
}

Result<RowCheck> compile_range(const CheckDef& check, const data::Field& field) {
  ASSAY_RETURN_IF_ERROR(refuse_nested(check, field));
  if (!check.min && !check.max) {
    return bad(check, "needs a lower or an upper bound: range: [min, max]");
  }
  if (is_integer_like(field.type)) {
    return integer_range(check, field);
  }
  return data::is_text(field.type) ? text_range(check, field) : floating_range(check, field);
}

Result<RowCheck> compile_in_set(const CheckDef& check, const data::Field& field) {
  ASSAY_RETURN_IF_ERROR(refuse_nested(check, field));
  std::unordered_set<int64_t> integers;
  std::unordered_set<double> doubles;
  std::unordered_set<std::string> texts;
  for (const Scalar& each : check.set) {
    const bool as_double = field.type == Type::kFloat32 || field.type == Type::kDecimal;
    const Type type = as_double ? Type(Type::kFloat64) : field.type;
    ASSAY_ASSIGN_OR_RETURN(const Scalar value, value_of_type(check, each, type));
    if (is_integer_like(field.type)) {
      integers.insert(std::holds_alternative<bool>(value.value)
                          ? int64_t{std::get<bool>(value.value)}
                          : std::get<int64_t>(value.value));
    } else if (data::is_text(field.type)) {
      texts.insert(std::get<std::string>(value.value));
    } else if (field.type == Type::kFloat32) {  // 0.1 in the set means the float nearest to it
      doubles.insert(static_cast<double>(static_cast<float>(std::get<double>(value.value))));
    } else {
      doubles.insert(std::get<double>(value.value));
    }
  }
  if (is_integer_like(field.type)) {
    return over_column(field, [integers](const data::Column& column) {
      return judge(column,
                   [&](int64_t row) { return integers.count(integer_at(column, row)) != 0; });
    });
  }
  if (data::is_text(field.type)) {
    return over_column(field, [texts](const data::Column& column) {
      std::string key;  // keeps its capacity from row to row
      return judge(column, [&](int64_t row) {
        key.assign(column.text(row));
        return texts.count(key) != 0;
      });
    });
  }
  return over_column(field, [doubles](const data::Column& column) {
    return judge(column, [&](int64_t row) { return doubles.count(double_at(column, row)) != 0; });
  });
}

Result<RowCheck> compile_text_check(const CheckDef& check, const data::Field& field) {
  if (!data::is_text(field.type)) {
    return bad(check,
               "column `" + field.name + "` is " + std::string(data::type_name(field.type)) +
                   "; this check reads texts");
  }
  if (check.kind == CheckKind::kRegex) {
    Result<Regex> regex = Regex::compile(check.pattern);
    if (!regex.ok()) {
      return regex.status().with_context("check " + check_name(check));
    }
    return over_column(field, [regex = *regex](const data::Column& column) {
      return judge(column, [&](int64_t row) { return regex.matches(column.text(row)); });
    });
  }
  if (!check.type) {
    return bad(check, "needs a type to read the text as");
  }
  return over_column(field, [type = *check.type](const data::Column& column) {
    return judge(column,
                 [&](int64_t row) { return data::parse_scalar(column.text(row), type).ok(); });
  });
}

Result<RowCheck> compile_expression(const CheckDef& check, const data::Schema& schema) {
  Result<data::Expression> expression = data::Expression::compile(check.expression, schema);
  if (!expression.ok()) {
    return expression.status().with_context("check " + check_name(check));
  }
  if (expression->type() != Type::kBool) {
    return bad(
        check,
        "is " + std::string(data::type_name(expression->type())) + "; it must be true or false");
  }
  return RowCheck([expression =
                       *expression](const data::Batch& batch) -> Result<std::vector<uint8_t>> {
    ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr verdict, expression.evaluate(batch));
    const auto values = verdict->values<uint8_t>();
    return judge(*verdict, [&](int64_t row) { return values[static_cast<std::size_t>(row)] != 0; });
  });
}

RowCheck compile_not_null(const data::Field& field) {
  return over_column(field, [](const data::Column& column) {
    std::vector<uint8_t> verdicts(static_cast<std::size_t>(column.size()), 1);
    for (int64_t row = 0; row < column.size(); ++row) {
      verdicts[static_cast<std::size_t>(row)] = column.is_valid(row) ? 1 : 0;
    }
    return verdicts;
  });
}

}  // namespace

std::string check_name(const CheckDef& check) {
  std::string name(catalog::check_kind_name(check.kind));
  const std::string& subject = check.kind == CheckKind::kExpr ? check.expression : check.column;
  return subject.empty() ? name : name + "(" + subject + ")";
}

Result<data::Field> find_check_column(const CheckDef& check, const data::Schema& schema) {
  const std::optional<int> index = schema.find(check.column);
  if (!index) {
    return bad(check,
               "no column `" + check.column + "`" + did_you_mean(check.column, schema.names()));
  }
  return schema.field(*index);
}

Result<RowCheck> compile_row_check(const CheckDef& check, const data::Schema& schema) {
  if (check.kind == CheckKind::kExpr) {
    return compile_expression(check, schema);
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Field field, find_check_column(check, schema));
  switch (check.kind) {
    case CheckKind::kNotNull:
      return compile_not_null(field);
    case CheckKind::kRange:
      return compile_range(check, field);
    case CheckKind::kInSet:
      return compile_in_set(check, field);
    case CheckKind::kRegex:
    case CheckKind::kType:
      return compile_text_check(check, field);
    default:
      return bad(check, "is no check of single rows");
  }
}

}  // namespace assay::quality
