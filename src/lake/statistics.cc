#include "lake/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/json_writer.h"
#include "base/time.h"

namespace assay::lake {
namespace {

using data::Column;
using data::Type;

constexpr std::size_t kCodePointsMax = 32;
constexpr std::string_view kLargestCodePoint = "\xF4\x8F\xBF\xBF";  // U+10FFFF

/// One column's statistics; min and max are JSON values, "" for none.
struct ColumnStatistics {
  std::string min;
  std::string max;
  int64_t null_count = 0;
};

/// The first 32 code points.
std::string_view cut(std::string_view text) {
  std::size_t points = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_point = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts_point && points++ == kCodePointsMax) {
      return text.substr(0, i);
    }
  }
  return text;
}

/// "2026-01-01T00:59:59.123Z"
std::string instant_json(int64_t millis) {
  const int64_t micros = millis * 1'000;
  const int64_t in_day = (micros - floor_to(micros, kMicrosPerDay)) / 1'000;
  std::array<char, 24> clock{};
  std::snprintf(clock.data(),
                clock.size(),
                "T%02d:%02d:%02d.%03dZ",
                static_cast<int>(in_day / 3'600'000),
                static_cast<int>(in_day / 60'000 % 60),
                static_cast<int>(in_day / 1'000 % 60),
                static_cast<int>(in_day % 1'000));
  return '"' + format_date({micros}) + clock.data() + '"';
}

/// Call `visit(value)` for each value that is not null.
template <typename T, typename Visit>
void for_each_value(const Column& column, int64_t begin, int64_t end, const Visit& visit) {
  const std::span<const T> values = column.values<T>();
  for (int64_t row = begin; row < end; ++row) {
    if (column.is_valid(row)) {
      visit(values[static_cast<std::size_t>(row)]);
    }
  }
}

template <typename T>
struct Range {
  bool any = false;
  T min{};
  T max{};
  void add(T value) {
    min = any && min <= value ? min : value;
    max = any && max >= value ? max : value;
    any = true;
  }
};

template <typename T>
Range<T> range_of(const Column& column, int64_t begin, int64_t end) {
  Range<T> range;
  for_each_value<T>(column, begin, end, [&](T value) { range.add(value); });
  return range;
}

template <typename T>
void integers(const Column& column, int64_t begin, int64_t end, ColumnStatistics& result) {
  const Range<T> range = range_of<T>(column, begin, end);
  if (range.any) {
    result.min = std::to_string(range.min);
    result.max = std::to_string(range.max);
  }
}

template <typename T>
void floats(const Column& column, int64_t begin, int64_t end, ColumnStatistics& result) {
  Range<double> range;
  bool has_nan = false;
  for_each_value<T>(column, begin, end, [&](T value) {
    if (std::isnan(value)) {
      has_nan = true;
    } else {
      range.add(static_cast<double>(value));
    }
  });
  if (range.any) {
    result.min = float_bound(range.min, true);
    result.max = has_nan ? "\"NaN\"" : float_bound(range.max, false);
  }
}

void texts(const Column& column, int64_t begin, int64_t end, ColumnStatistics& result) {
  std::optional<std::string_view> min;
  std::optional<std::string_view> max;
  for (int64_t row = begin; row < end; ++row) {
    if (column.is_valid(row)) {
      const std::string_view text = column.text(row);
      min = !min || text < *min ? text : *min;
      max = !max || text > *max ? text : *max;
    }
  }
  if (!min) {
    return;
  }
  append_text_bound(result.min, *min, true);
  append_text_bound(result.max, *max, false);
}

void booleans(const Column& column, int64_t begin, int64_t end, ColumnStatistics& result) {
  const Range<uint8_t> range = range_of<uint8_t>(column, begin, end);
  if (range.any) {
    result.min = range.min != 0 ? "true" : "false";
    result.max = range.max != 0 ? "true" : "false";
  }
}

void dates(const Column& column, int64_t begin, int64_t end, ColumnStatistics& result) {
  const Range<int32_t> range = range_of<int32_t>(column, begin, end);
  if (range.any) {
    result.min = '"' + format_date({range.min * kMicrosPerDay}) + '"';
    result.max = '"' + format_date({range.max * kMicrosPerDay}) + '"';
  }
}

void timestamps(const Column& column, int64_t begin, int64_t end, ColumnStatistics& result) {
  const Range<int64_t> range = range_of<int64_t>(column, begin, end);
  if (!range.any) {
    return;
  }
  result.min = timestamp_bound(range.min, true);
  result.max = timestamp_bound(range.max, false);
}

ColumnStatistics statistics_of(const Column& column, int64_t begin, int64_t end) {
  ColumnStatistics result;
  for (int64_t row = begin; column.null_count() != 0 && row < end; ++row) {
    result.null_count += column.is_null(row) ? 1 : 0;
  }
  switch (column.type()) {
    case Type::kBool:
      booleans(column, begin, end, result);
      break;
    case Type::kInt32:
      integers<int32_t>(column, begin, end, result);
      break;
    case Type::kInt64:
      integers<int64_t>(column, begin, end, result);
      break;
    case Type::kFloat32:
      floats<float>(column, begin, end, result);
      break;
    case Type::kFloat64:
      floats<double>(column, begin, end, result);
      break;
    case Type::kString:
      texts(column, begin, end, result);
      break;
    case Type::kDate:
      dates(column, begin, end, result);
      break;
    case Type::kTimestamp:
      timestamps(column, begin, end, result);
      break;
    case Type::kInt8:
      integers<int8_t>(column, begin, end, result);
      break;
    case Type::kInt16:
      integers<int16_t>(column, begin, end, result);
      break;
    case Type::kBytes:
    case Type::kTimestampNtz:
    case Type::kDecimal:
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      break;  // no bounds, only the count of nulls
  }
  return result;
}

}  // namespace

void append_text_bound(std::string& out, std::string_view text, bool is_min) {
  std::string bound(cut(text));
  if (!is_min && bound.size() < text.size()) {
    bound += kLargestCodePoint;
  }
  append_json_string(out, bound);
}

std::string float_bound(double value, bool is_min) {
  if (std::isinf(value)) {
    return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  }
  if (value == 0.0) {
    return is_min ? "-0.0" : "0.0";  // readers that tell the zeros apart must find both
  }
  std::string out;
  append_json_number(out, value);
  return out;
}

std::string timestamp_bound(int64_t micros, bool is_min) {
  constexpr int64_t kLastMilli = kEndInstant.micros / 1'000 - 1;
  const int64_t down = floor_to(micros, 1'000) / 1'000;
  const int64_t up = -floor_to(-micros, 1'000) / 1'000;
  return instant_json(is_min ? down : std::min(up, kLastMilli));
}

std::string statistics_json(const data::Batch& rows,
                            int64_t begin,
                            int64_t end,
                            const std::vector<std::string>& left_out) {
  std::string mins;
  std::string maxs;
  std::string nulls;
  JsonWriter min(mins);
  JsonWriter max(maxs);
  JsonWriter null_count(nulls);
  for (int i = 0; i < rows.column_count(); ++i) {
    const std::string& name = rows.schema().field(i).name;
    if (std::find(left_out.begin(), left_out.end(), name) != left_out.end()) {
      continue;
    }
    if (data::is_nested(rows.column(i).type())) {
      continue;  // readers want counts of each field, and use none of them
    }
    const ColumnStatistics statistics = statistics_of(rows.column(i), begin, end);
    if (!statistics.min.empty()) {
      min.key(name);
      min.raw(statistics.min);
      max.key(name);
      max.raw(statistics.max);
    }
    null_count.key(name);
    null_count.integer(statistics.null_count);
  }
  return "{\"numRecords\":" + std::to_string(end - begin) + ",\"minValues\":{" + mins +
         "},\"maxValues\":{" + maxs + "},\"nullCount\":{" + nulls + "}}";
}

}  // namespace assay::lake
