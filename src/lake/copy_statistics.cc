#include "lake/copy_statistics.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "base/json_writer.h"
#include "base/time.h"
#include "data/sql_engine.h"
#include "data/utf8.h"
#include "lake/statistics.h"

namespace assay::lake {
namespace {

using data::Field;
using data::Type;

/// What the SQL engine says of one column.
struct Answer {
  std::optional<std::string> min;
  std::optional<std::string> max;
  int64_t null_count = 0;
  bool has_nan = false;
};

Result<int64_t> integer_of(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Status(Code::kCorrupt, "not an integer: " + text);
  }
  return value;
}

Result<Answer> answer_of(const JsonValue& column) {
  const auto text = [&](std::string_view name) {
    const JsonValue* member = column.find(name);
    return member == nullptr || member->text() == nullptr ? std::optional<std::string>()
                                                          : std::optional(*member->text());
  };
  Answer answer;
  answer.min = text("min");
  answer.max = text("max");
  answer.has_nan = text("has_nan") == "true";
  const std::optional<std::string> nulls = text("null_count");
  if (!nulls) {
    return Status(Code::kCorrupt, "no null_count");
  }
  ASSAY_ASSIGN_OR_RETURN(answer.null_count, integer_of(*nulls));
  return answer;
}

/// A JSON value for each of the two bounds, "" for none.
struct Bounds {
  std::string min;
  std::string max;
};

Bounds text_bounds(const Answer& answer) {
  // The engine cuts long texts by bytes, and has rounded the max up when it did.
  Bounds bounds;
  if (answer.min && answer.max && data::is_utf8(*answer.min) && data::is_utf8(*answer.max)) {
    append_text_bound(bounds.min, *answer.min, true);
    append_text_bound(bounds.max, *answer.max, false);
  }
  return bounds;
}

Bounds number_bounds(const Answer& answer, bool single) {
  // The shortest digits of a float are no bound of it when they are read as a double.
  const auto value = [single](const std::string& text) {
    return single ? static_cast<double>(std::strtof(text.c_str(), nullptr))
                  : std::strtod(text.c_str(), nullptr);
  };
  Bounds bounds;
  if (answer.min && answer.max) {
    bounds.min = float_bound(value(*answer.min), true);
    bounds.max = answer.has_nan ? "\"NaN\"" : float_bound(value(*answer.max), false);
  }
  return bounds;
}

Bounds boolean_bounds(const Answer& answer) {
  const auto text = [](const std::string& value) {
    return value == "1" || value == "true" ? "true" : "false";
  };
  return answer.min && answer.max ? Bounds{text(*answer.min), text(*answer.max)} : Bounds();
}

/// "2026-01-01 10:00:00.123456+00" or "2026-01-01" as an instant; nothing outside years 0001 to
/// 9999, which the engine writes as "infinity", "12026-01-01" or "2026-01-01 (BC)".
std::optional<EventTime> instant_of(const std::string& text) {
  if (text.size() < 10 || text[4] != '-' || text.ends_with("(BC)")) {
    return std::nullopt;
  }
  std::string iso = text;
  if (iso.size() > 10) {
    iso[10] = 'T';
    iso.replace(iso.find_last_of("+-"), std::string::npos, "Z");
  }
  const Result<EventTime> instant = parse_time(iso);
  return instant.ok() ? std::optional(*instant) : std::nullopt;
}

Result<Bounds> instant_bounds(const Answer& answer, bool date) {
  if (!answer.min || !answer.max) {
    return Bounds();
  }
  const std::optional<EventTime> min = instant_of(*answer.min);
  const std::optional<EventTime> max = instant_of(*answer.max);
  if (!min || !max || *min < kFirstInstant || *max >= kEndInstant) {
    return Status(Code::kInvalidArgument, "a value outside years 0001 to 9999");
  }
  return date ? Bounds{'"' + *answer.min + '"', '"' + *answer.max + '"'}
              : Bounds{timestamp_bound(min->micros, true), timestamp_bound(max->micros, false)};
}

Result<Bounds> bounds_of(const Field& field, const Answer& answer) {
  switch (field.type) {
    case Type::kBool:
      return boolean_bounds(answer);
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return Bounds{answer.min.value_or(""), answer.max.value_or("")};
    case Type::kFloat32:
      return number_bounds(answer, true);
    case Type::kFloat64:
      return number_bounds(answer, false);
    case Type::kString:
      return text_bounds(answer);
    case Type::kDate:
      return instant_bounds(answer, true);
    case Type::kTimestamp:
      return instant_bounds(answer, false);
    case Type::kDecimal:
      return answer.min && answer.max
                 ? Bounds{decimal_bound(*answer.min, true), decimal_bound(*answer.max, false)}
                 : Bounds();
    case Type::kBytes:
    case Type::kTimestampNtz:
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      break;  // no bounds: readers do not skip files by these columns
  }
  return Bounds();
}

/// The three objects of `stats`, member by member; a struct's are objects inside them.
class StatisticsWriter {
 public:
  explicit StatisticsWriter(const JsonValue& columns) : columns_(columns) {}

  /// `parent`: the engine's name of what the field is in, with a point behind it.
  Status add(const Field& field, const std::string& parent) {
    const std::string name = parent + data::SqlEngine::identifier(field.name);
    if (field.type == Type::kStruct) {
      return add_struct(field, name + ".");
    }
    const JsonValue* column = columns_.find(name);
    if (column == nullptr) {
      return {};  // no statistics are right too
    }
    ASSAY_ASSIGN_OR_RETURN(const Answer answer, answer_of(*column));
    if (parent.empty() && !field.nullable && answer.null_count != 0) {
      return {Code::kInvalidArgument, "a null, which it is declared not to hold"};
    }
    ASSAY_ASSIGN_OR_RETURN(const Bounds bounds, bounds_of(field, answer));
    if (!bounds.min.empty() && !bounds.max.empty()) {
      min_.key(field.name);
      min_.raw(bounds.min);
      max_.key(field.name);
      max_.raw(bounds.max);
    }
    null_count_.key(field.name);
    null_count_.integer(answer.null_count);
    return {};
  }

  [[nodiscard]] std::string finish(int64_t rows) const {
    return "{\"numRecords\":" + std::to_string(rows) + ",\"minValues\":{" + mins_ +
           "},\"maxValues\":{" + maxs_ + "},\"nullCount\":{" + nulls_ + "}}";
  }

 private:
  Status add_struct(const Field& field, const std::string& inside) {
    StatisticsWriter members(columns_);
    for (const Field& member : field.type.children()) {
      ASSAY_RETURN_IF_ERROR(members.add(member, inside).with_context("`" + member.name + "`"));
    }
    const auto put = [&](JsonWriter& json, const std::string& text) {
      if (!text.empty()) {
        json.key(field.name);
        json.raw("{" + text + "}");
      }
    };
    put(min_, members.mins_);
    put(max_, members.maxs_);
    put(null_count_, members.nulls_);
    return {};
  }

  const JsonValue& columns_;
  std::string mins_;
  std::string maxs_;
  std::string nulls_;
  JsonWriter min_{mins_};
  JsonWriter max_{maxs_};
  JsonWriter null_count_{nulls_};
};

}  // namespace

Result<std::string> copy_statistics_json(const JsonValue& columns,
                                         int64_t rows,
                                         const data::Schema& schema,
                                         const std::vector<std::string>& left_out) {
  StatisticsWriter writer(columns);
  for (const Field& field : schema.fields()) {
    if (std::find(left_out.begin(), left_out.end(), field.name) == left_out.end()) {
      ASSAY_RETURN_IF_ERROR(writer.add(field, "").with_context("column `" + field.name + "`"));
    }
  }
  return writer.finish(rows);
}

}  // namespace assay::lake
