#include "data/scalar.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/time.h"

namespace assay::data {
namespace {

Status not_a(Type type, std::string_view text) {
  return {Code::kInvalidArgument,
          "not a value of type " + std::string(type_name(type)) + ": `" +
              std::string(text.substr(0, 64)) + "`"};
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

}  // namespace

Result<Scalar> parse_scalar(std::string_view text, Type type) {
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
    case Type::kInt32:
      if (!parse_number(text, &integer) || integer < std::numeric_limits<int32_t>::min() ||
          integer > std::numeric_limits<int32_t>::max()) {
        return not_a(type, text);
      }
      return Scalar{type, integer};
    case Type::kInt64:
      if (!parse_number(text, &integer)) {
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
      if (!try_parse_time(text, &time)) {
        return not_a(type, text);
      }
      return Scalar{type, time.micros};
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
  }
  return "";
}

}  // namespace assay::data
