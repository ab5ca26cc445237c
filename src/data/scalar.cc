#include "data/scalar.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/time.h"
#include "data/json_text.h"

namespace assay::data {
namespace {

Status not_a(const Type& type, std::string_view text) {
  return {Code::kInvalidArgument,
          "not a value of type " + type_name(type) + ": `" + std::string(text.substr(0, 64)) + "`"};
}

template <typename T>
bool parse_number(std::string_view text, T* value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') {
    text.remove_prefix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

template <typename T>
std::string shortest(T value) {
  std::array<char, 40> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), static_cast<std::size_t>(result.ptr - text.data())};
}

/// A time without the zone that format_time writes at its end.
std::string format_local_time(int64_t micros) {
  std::string text = format_time({micros});
  if (!text.empty() && text.back() == 'Z') {
    text.pop_back();
  }
  return text;
}

}  // namespace

bool fits_integer(int64_t value, TypeId type) {
  const int bits = 8 * value_width(type);
  return bits >= 64 || (value >= -(int64_t{1} << (bits - 1)) && value < int64_t{1} << (bits - 1));
}

Result<Scalar> parse_scalar(std::string_view text, const Type& type) {
  int64_t integer = 0;
  EventTime time;
  switch (type) {
    case Type::kBool:
      if (text == "true" || text == "1" || text == "t" || text == "True" || text == "TRUE") {
        return Scalar::boolean(true);
      }
      if (text == "false" || text == "0" || text == "f" || text == "False" || text == "FALSE") {
        return Scalar::boolean(false);
      }
      return not_a(type, text);
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      if (!parse_number(text, &integer) || !fits_integer(integer, type)) {
        return not_a(type, text);
      }
      return Scalar{type, integer};
    case Type::kFloat32: {
      float value = 0;
      if (!parse_number(text, &value)) {
        return not_a(type, text);
      }
      return Scalar{type, static_cast<double>(value)};
    }
    case Type::kFloat64: {
      double value = 0;
      if (!parse_number(text, &value)) {
        return not_a(type, text);
      }
      return Scalar{type, value};
    }
    case Type::kString:
    case Type::kBytes:
      return Scalar{type, std::string(text)};
    case Type::kDate:
      if (!try_parse_time(text, &time) || time.micros % kMicrosPerDay != 0) {
        return not_a(type, text);
      }
      return Scalar{type, time.micros / kMicrosPerDay};
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      if (!try_parse_time(text, &time)) {
        return not_a(type, text);
      }
      return Scalar{type, time.micros};
    case Type::kDecimal: {
      const std::optional<Int128> units = parse_decimal(text, type.precision(), type.scale());
      return units.has_value() ? Result<Scalar>(Scalar{type, *units}) : not_a(type, text);
    }
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      return parse_json(text, type);
  }
  return not_a(type, text);
}

std::string format_scalar(const Scalar& scalar) {
  if (scalar.is_null()) {
    return "";
  }
  switch (scalar.type) {
    case Type::kBool:
      return std::get<bool>(scalar.value) ? "true" : "false";
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return std::to_string(std::get<int64_t>(scalar.value));
    case Type::kFloat32:
      return shortest(static_cast<float>(std::get<double>(scalar.value)));
    case Type::kFloat64:
      return shortest(std::get<double>(scalar.value));
    case Type::kString:
    case Type::kBytes:
      return std::get<std::string>(scalar.value);
    case Type::kDate:
      return format_date({std::get<int64_t>(scalar.value) * kMicrosPerDay});
    case Type::kTimestamp:
      return format_time({std::get<int64_t>(scalar.value)});
    case Type::kTimestampNtz:
      return format_local_time(std::get<int64_t>(scalar.value));
    case Type::kDecimal:
      return format_decimal(std::get<Int128>(scalar.value), scalar.type.scale());
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap: {
      std::string text;
      append_json(text, *std::get<NestedValue>(scalar.value).row, 0);
      return text;
    }
  }
  return "";
}

}  // namespace assay::data
