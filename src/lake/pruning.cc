#include "lake/pruning.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <compare>
#include <variant>

#include "base/time.h"
#include "lake/json_value.h"
#include "lake/where_clause.h"

namespace assay::lake {
namespace {

using data::Type;

/// A value in the order of its column: int64_t for integers, dates (days), timestamps (micros) and
/// booleans; double; text by bytes.
using Value = std::variant<int64_t, double, std::string>;

/// What is known of one column in one file. Absent means unknown.
struct Bounds {
  std::optional<Value> min;      // no value is smaller
  std::optional<Value> max;      // no value is larger ...
  bool max_is_prefix = false;    // ... save for texts that begin with it
  bool max_without_nan = false;  // ... save for NaN, which SQL holds larger than all
  std::optional<bool> has_null;
  std::optional<bool> has_value;
};

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

std::optional<int64_t> days(std::string_view text) {
  EventTime time;
  if (text.size() != 10 || !try_parse_time(text, &time)) {
    return std::nullopt;
  }
  return time.micros / kMicrosPerDay;
}

/// Nothing for an offset other than Z: SQL heeds or ignores it by the literal's type.
std::optional<int64_t> micros(std::string_view text) {
  EventTime time;
  if (text.size() > 10 && text.find_first_of("+-", 10) != std::string_view::npos) {
    return std::nullopt;
  }
  return try_parse_time(text, &time) ? std::optional(time.micros) : std::nullopt;
}

template <typename T>
std::optional<Value> as_value(std::optional<T> value) {
  return value ? std::optional<Value>(std::move(*value)) : std::nullopt;
}

/// A literal as SQL would compare it with a column of this type; nothing when it would convert the
/// column.
std::optional<Value> literal_value(const Literal& literal, data::TypeId type) {
  using Kind = Literal::Kind;
  switch (type) {
    case Type::kBool:
      return literal.kind == Kind::kBoolean ? as_value<int64_t>(literal.text == "true")
                                            : std::nullopt;
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return literal.kind == Kind::kNumber ? as_value(whole_number(literal.text)) : std::nullopt;
    case Type::kFloat64: {
      double value = 0;
      const char* end = literal.text.data() + literal.text.size();
      const auto parsed = std::from_chars(literal.text.data(), end, value);
      return literal.kind == Kind::kNumber && parsed.ec == std::errc() && parsed.ptr == end
                 ? std::optional<Value>(value)
                 : std::nullopt;
    }
    case Type::kString:
      return literal.kind == Kind::kText ? std::optional<Value>(literal.text) : std::nullopt;
    case Type::kDate:
      return literal.kind == Kind::kText || literal.kind == Kind::kDate
                 ? as_value(days(literal.text))
                 : std::nullopt;
    case Type::kTimestamp:
      if (literal.kind == Kind::kMicros) {
        return as_value(whole_number(literal.text));
      }
      if (literal.kind == Kind::kDate) {
        return as_value(days(literal.text)) ? as_value(micros(literal.text)) : std::nullopt;
      }
      return literal.kind == Kind::kText || literal.kind == Kind::kTimestamp
                 ? as_value(micros(literal.text))
                 : std::nullopt;
    case Type::kFloat32:  // whether SQL compares as float or as double hangs on the literal's
                          // digits
    case Type::kBytes:
      return std::nullopt;
    default:  // columns of other types are not compared with literals here: nothing is pruned
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Value> bound_of_text(const std::string& text, data::TypeId type) {
  switch (type) {
    case Type::kString:
      return Value(text);
    case Type::kDate:
      return as_value(days(text));
    case Type::kTimestamp:
      return as_value(micros(text));
    case Type::kFloat64:
      if (text == "Infinity" || text == "-Infinity") {
        return Value(text.front() == '-' ? -HUGE_VAL : HUGE_VAL);
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

/// A member of minValues or maxValues.
std::optional<Value> bound_value(const JsonValue* json, data::TypeId type) {
  if (json == nullptr) {
    return std::nullopt;
  }
  if (json->text() != nullptr) {
    return bound_of_text(*json->text(), type);
  }
  if (type == Type::kBool && json->boolean() != nullptr) {
    return Value(int64_t{*json->boolean()});
  }
  if (data::is_integer(type) && json->integer() != nullptr) {
    return Value(*json->integer());
  }
  if (type == Type::kFloat64) {
    // An integer beyond 2^53 may have been rounded either way when it was written.
    constexpr int64_t kExactMax = int64_t{1} << 53;
    if (json->number() != nullptr) {
      return Value(*json->number());
    }
    if (json->integer() != nullptr && std::abs(*json->integer()) <= kExactMax) {
      return Value(static_cast<double>(*json->integer()));
    }
  }
  return std::nullopt;
}

Bounds statistics_bounds(const JsonValue& stats,
                         const std::string& physical_name,
                         const data::Field& field) {
  Bounds bounds;
  const auto member = [&](std::string_view group) {
    const JsonValue* values = stats.find(group);
    return values == nullptr ? nullptr : values->find(physical_name);
  };
  bounds.min = bound_value(member("minValues"), field.type);
  bounds.max = bound_value(member("maxValues"), field.type);
  bounds.max_is_prefix = field.type == Type::kString;
  bounds.max_without_nan = field.type == Type::kFloat64;
  if (field.type == Type::kTimestamp && bounds.max) {
    std::get<int64_t>(*bounds.max) += 999;  // writers cut to the millisecond, some of them down
  }
  const JsonValue* nulls = member("nullCount");
  const JsonValue* rows = stats.find("numRecords");
  if (nulls != nullptr && nulls->integer() != nullptr) {
    bounds.has_null = *nulls->integer() > 0;
    if (rows != nullptr && rows->integer() != nullptr) {
      bounds.has_value = *nulls->integer() < *rows->integer();
    }
  }
  return bounds;
}

std::optional<Value> partition_value(const std::string& text, data::TypeId type) {
  switch (type) {
    case Type::kBool:
      return text == "true" || text == "false" ? std::optional<Value>(int64_t{text == "true"})
                                               : std::nullopt;
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return as_value(whole_number(text));
    case Type::kString:
    case Type::kDate:
    case Type::kTimestamp:
      return bound_of_text(text, type);
    default:
      return std::nullopt;
  }
}

Bounds partition_bounds(const DataFile& file,
                        const std::string& physical_name,
                        const data::Field& field) {
  Bounds bounds;
  const auto found = file.partition_values.find(physical_name);
  const bool null = found == file.partition_values.end() || !found->second;
  bounds.has_null = null;
  bounds.has_value = !null;
  if (!null) {
    bounds.min = partition_value(*found->second, field.type);
    bounds.max = bounds.min;
  }
  return bounds;
}

/// True unless all values of the file are certainly smaller than `value`.
bool may_reach(const Bounds& bounds, const Value& value, bool or_equal) {
  if (!bounds.max || bounds.max_without_nan) {
    return true;
  }
  if (bounds.max_is_prefix) {
    const std::string& max = std::get<std::string>(*bounds.max);
    return std::get<std::string>(value).compare(0, max.size(), max) <= 0;
  }
  return or_equal ? !(*bounds.max < value) : *bounds.max > value;
}

/// A literal. SQL's conversion of a decimal to a double may be off by a few last bits: `low` and
/// `high` are what it may come to.
struct LiteralRange {
  Value low;
  Value high;
};

LiteralRange range_of(Value value) {
  const double* number = std::get_if<double>(&value);
  if (number == nullptr) {
    return {value, value};
  }
  const double slack = std::abs(*number) * 1e-14;
  return {Value(*number - slack), Value(*number + slack)};
}

bool may_hold_equal(const Bounds& bounds, const LiteralRange& literal) {
  if (bounds.min && literal.high < *bounds.min) {
    return false;
  }
  Bounds without_nan = bounds;
  without_nan.max_without_nan = false;  // a literal is never NaN
  return may_reach(without_nan, literal.low, true);
}

bool may_hold(const Bounds& bounds, Comparison comparison, const LiteralRange& literal) {
  switch (comparison) {
    case Comparison::kEqual:
      return may_hold_equal(bounds, literal);
    case Comparison::kLess:
      return !bounds.min || *bounds.min < literal.high;
    case Comparison::kLessOrEqual:
      return !bounds.min || !(literal.high < *bounds.min);
    case Comparison::kGreater:
      return may_reach(bounds, literal.low, false);
    case Comparison::kGreaterOrEqual:
      return may_reach(bounds, literal.low, true);
    case Comparison::kIsNull:
    case Comparison::kIsNotNull:
      return true;
  }
  return true;
}

/// A condition with its literals in the column's order; no literals when SQL would compare
/// otherwise.
struct Test {
  const data::Field* field;
  std::string physical_name;
  bool is_partition;
  Comparison comparison;
  std::vector<LiteralRange> values;
};

bool may_hold(const Test& test, const Bounds& bounds) {
  if (test.comparison == Comparison::kIsNull) {
    return bounds.has_null.value_or(true);
  }
  if (!bounds.has_value.value_or(true)) {
    return false;
  }
  if (test.comparison == Comparison::kIsNotNull) {
    return true;
  }
  return std::any_of(test.values.begin(), test.values.end(), [&](const LiteralRange& literal) {
    return may_hold(bounds, test.comparison, literal);
  });
}

const TableColumn* find_column(const Snapshot& snapshot, const std::string& name) {
  if (snapshot.columns != nullptr) {
    for (const TableColumn& column : *snapshot.columns) {
      if (column.name == name) {
        return &column;
      }
    }
  }
  return nullptr;
}

std::vector<Test> tests_of(const Snapshot& snapshot, std::string_view where) {
  std::vector<Test> tests;
  const auto& partitions = snapshot.partition_columns;
  for (const Condition& condition : parse_where(where, *snapshot.schema)) {
    const data::Field& field = snapshot.schema->field(condition.column);
    const TableColumn* column = find_column(snapshot, field.name);
    if (column != nullptr && column->widened && field.type == Type::kFloat64) {
      continue;  // bounds of a float, in its few digits, are none for the double that it widens to
    }
    Test test{&field,
              column == nullptr ? field.name : column->physical_name,
              std::find(partitions.begin(), partitions.end(), field.name) != partitions.end(),
              condition.comparison,
              {}};
    for (const Literal& literal : condition.literals) {
      if (std::optional<Value> value = literal_value(literal, field.type)) {
        test.values.push_back(range_of(std::move(*value)));
      }
    }
    if (test.values.size() == condition.literals.size()) {
      tests.push_back(std::move(test));
    }
  }
  return tests;
}

/// The tests of one WHERE clause.
class Pruner {
 public:
  Pruner(const Snapshot& snapshot, std::string_view where) {
    for (Test& test : tests_of(snapshot, where)) {
      (test.is_partition ? on_partitions_ : on_statistics_).push_back(std::move(test));
    }
  }

  bool may_match(const DataFile& file, JsonReader& json) const {
    for (const Test& test : on_partitions_) {
      if (!may_hold(test, partition_bounds(file, test.physical_name, *test.field))) {
        return false;
      }
    }
    if (on_statistics_.empty() || file.stats_json.empty()) {
      return true;
    }
    const Result<JsonValue> stats = json.read(file.stats_json);
    return !stats.ok() ||
           std::all_of(on_statistics_.begin(), on_statistics_.end(), [&](const Test& test) {
             return may_hold(test, statistics_bounds(*stats, test.physical_name, *test.field));
           });
  }

 private:
  std::vector<Test> on_partitions_;
  std::vector<Test> on_statistics_;
};

}  // namespace

std::vector<const DataFile*> prune_files(const Snapshot& snapshot, std::string_view where) {
  const Pruner pruner(snapshot, where);
  JsonReader json;
  std::vector<const DataFile*> kept;
  for (const auto& [path, file] : snapshot.files) {
    if (pruner.may_match(file, json)) {
      kept.push_back(&file);
    }
  }
  return kept;
}

}  // namespace assay::lake
