#include "serve/json_value.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/time.h"
#include "data/column.h"

namespace assay::serve {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr double kWholeDoublesEnd = 9007199254740992.0;  // 2^53: from there on one double stands
                                                         // for several integers

Status mismatch(const JsonValue& value, const data::Type& type) {
  static constexpr std::array<std::string_view, 7> kKinds = {"null",
                                                             "a boolean",
                                                             "an integer",
                                                             "a number",
                                                             "text",
                                                             "an array or object",
                                                             "an integer beyond 64 bits with sign"};
  return {Code::kInvalidArgument,
          "expected a value of type " + std::string(type_name(type)) + ", found " +
              std::string(kKinds[value.index()])};
}

Result<data::Scalar> to_integer(const JsonValue& value, const data::Type& type) {
  int64_t whole = 0;
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    whole = *integer;
  } else if (const auto* real = std::get_if<double>(&value);
             real != nullptr && std::trunc(*real) == *real) {
    if (std::fabs(*real) >= kWholeDoublesEnd) {
      return Status(
          Code::kInvalidArgument,
          "a number with a fraction or an exponent is exact below 2^53 only; write this " +
              type_name(type) + " as an integer");
    }
    whole = static_cast<int64_t>(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    return data::parse_scalar(*text, type);
  } else {
    return mismatch(value, type);
  }
  if (!data::fits_integer(whole, type)) {
    return Status(Code::kInvalidArgument,
                  "beyond the range of " + type_name(type) + ": " + std::to_string(whole));
  }
  return data::Scalar{type, whole};
}

Result<data::Scalar> to_real(const JsonValue& value, const data::Type& type) {
  double real = 0;
  if (const auto* found = std::get_if<double>(&value)) {
    real = *found;
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    real = static_cast<double>(*integer);
  } else if (const auto* large = std::get_if<uint64_t>(&value)) {
    real = static_cast<double>(*large);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    return data::parse_scalar(*text, type);
  } else {
    return mismatch(value, type);
  }
  return data::Scalar{
      type, type == data::Type::kFloat32 ? static_cast<double>(static_cast<float>(real)) : real};
}

/// Text is read digit by digit; a number with a fraction by the shortest text of its double.
Result<data::Scalar> to_decimal(const JsonValue& value, const data::Type& type) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return data::parse_scalar(*text, type);
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return data::parse_scalar(std::to_string(*integer), type);
  }
  if (const auto* large = std::get_if<uint64_t>(&value)) {
    return data::parse_scalar(std::to_string(*large), type);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return data::parse_scalar(data::format_scalar(data::Scalar::float64(*real)), type);
  }
  return mismatch(value, type);
}

/// Numbers are seconds since the epoch, as Feast's UnixTimestamp; text is read as a time.
Result<data::Scalar> to_timestamp(const JsonValue& value) {
  constexpr double kSecondsEnd = static_cast<double>(kEndInstant.micros) / kMicrosPerSecond;
  constexpr double kSecondsFirst = static_cast<double>(kFirstInstant.micros) / kMicrosPerSecond;
  if (const auto* text = std::get_if<std::string>(&value)) {
    ASSAY_ASSIGN_OR_RETURN(const EventTime time, parse_time(*text));
    return data::Scalar::timestamp(time.micros);
  }
  double seconds = 0;
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    seconds = static_cast<double>(*integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    seconds = *real;
  } else {
    return mismatch(value, data::Type::kTimestamp);
  }
  if (!(seconds >= kSecondsFirst && seconds < kSecondsEnd)) {
    return Status(Code::kInvalidArgument, "a time in seconds must lie in the years 0001 to 9999");
  }
  return data::Scalar::timestamp(std::llround(seconds * static_cast<double>(kMicrosPerSecond)));
}

int64_t to_seconds(int64_t micros) {
  return floor_to(micros, kMicrosPerSecond) / kMicrosPerSecond;
}

/// Elements as values alone are written: float32 as the shortest text of their double, times as
/// whole seconds.
void write_elements(JsonWriter& writer, const data::Column& list) {
  const data::Column& elements = list.child(0);
  const data::ElementRange range = list.elements(0);
  writer.begin_array();
  for (int64_t at = range.begin; at < range.end; ++at) {
    if (elements.is_null(at)) {
      writer.null();
    } else if (elements.type() == data::Type::kTimestamp) {
      writer.integer(to_seconds(elements.integer(at)));
    } else {
      writer.number(static_cast<double>(elements.values<float>()[static_cast<std::size_t>(at)]));
    }
  }
  writer.end_array();
}

}  // namespace

Result<data::Scalar> to_scalar(const JsonValue& value, const data::Type& type) {
  if (value.index() == 0) {
    return data::Scalar::null(type);
  }
  switch (type) {
    case data::Type::kInt8:
    case data::Type::kInt16:
    case data::Type::kInt32:
    case data::Type::kInt64:
      return to_integer(value, type);
    case data::Type::kFloat32:
    case data::Type::kFloat64:
      return to_real(value, type);
    case data::Type::kTimestamp:
      return to_timestamp(value);
    case data::Type::kBool:
      if (const auto* flag = std::get_if<bool>(&value)) {
        return data::Scalar::boolean(*flag);
      }
      return mismatch(value, type);
    case data::Type::kString:
      if (const auto* text = std::get_if<std::string>(&value)) {
        return data::Scalar::string(*text);
      }
      return mismatch(value, type);
    case data::Type::kDate:
      if (const auto* text = std::get_if<std::string>(&value)) {
        return data::parse_scalar(*text, type);
      }
      return mismatch(value, type);
    case data::Type::kBytes:
      if (const auto* text = std::get_if<std::string>(&value)) {
        ASSAY_ASSIGN_OR_RETURN(std::string bytes, from_base64(*text));
        return data::Scalar{type, std::move(bytes)};
      }
      return mismatch(value, type);
    case data::Type::kTimestampNtz:
      if (const auto* text = std::get_if<std::string>(&value)) {
        return data::parse_scalar(*text, type);
      }
      return mismatch(value, type);
    case data::Type::kDecimal:
      return to_decimal(value, type);
    case data::Type::kList:
    case data::Type::kArray:
    case data::Type::kStruct:
    case data::Type::kMap:
      if (const auto* nested = std::get_if<JsonText>(&value)) {
        return data::parse_json(nested->json, type);
      }
      return mismatch(value, type);
  }
  return mismatch(value, type);
}

void write_scalar(JsonWriter& writer, const data::Scalar& value) {
  if (value.is_null()) {
    writer.null();
    return;
  }
  switch (value.type) {
    case data::Type::kBool:
      writer.boolean(std::get<bool>(value.value));
      return;
    case data::Type::kInt8:
    case data::Type::kInt16:
    case data::Type::kInt32:
    case data::Type::kInt64:
      writer.integer(std::get<int64_t>(value.value));
      return;
    case data::Type::kFloat32:
    case data::Type::kFloat64:
      writer.number(std::get<double>(value.value));
      return;
    case data::Type::kString:
      writer.string(std::get<std::string>(value.value));
      return;
    case data::Type::kBytes:
      writer.string(to_base64(std::get<std::string>(value.value)));
      return;
    case data::Type::kDate:
      writer.string(format_date({std::get<int64_t>(value.value) * kMicrosPerDay}));
      return;
    case data::Type::kTimestamp:
      writer.integer(to_seconds(std::get<int64_t>(value.value)));
      return;
    case data::Type::kTimestampNtz:
      writer.string(data::format_scalar(value));
      return;
    case data::Type::kDecimal:
      writer.raw(data::format_scalar(value));
      return;
    case data::Type::kList:
    case data::Type::kArray:
    case data::Type::kStruct:
    case data::Type::kMap: {
      const data::Column& row = *std::get<data::NestedValue>(value.value).row;
      const bool is_list = value.type == data::Type::kList || value.type == data::Type::kArray;
      if (is_list && (value.type.element() == data::Type::kFloat32 ||
                      value.type.element() == data::Type::kTimestamp)) {
        write_elements(writer, row);
        return;
      }
      std::string json;
      data::append_json(json, row, 0, data::JsonNonFinite::kNull);
      writer.raw(json);
      return;
    }
  }
}

Result<std::string> from_base64(std::string_view text) {
  const Status bad(Code::kInvalidArgument, "not base64 text");
  if (text.size() % 4 != 0) {
    return bad;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  uint32_t group = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t digit = at < text.size() - padding ? kBase64.find(text[at]) : 0;
    if (digit == std::string_view::npos) {
      return bad;
    }
    group = group << 6 | static_cast<uint32_t>(digit);
    if (at % 4 == 3) {
      for (const int shift : {16, 8, 0}) {
        bytes += static_cast<char>((group >> shift) & 0xFF);
      }
    }
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace assay::serve
