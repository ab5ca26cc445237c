#include "lake/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/json_writer.h"
#include "base/time.h"

namespace assay::lake {
namespace {

constexpr std::size_t kCodePointsMax = 32;
constexpr std::size_t kDecimalDigitsMax = 15;  // what a reader keeps that takes doubles
constexpr std::string_view kLargestCodePoint = "\xF4\x8F\xBF\xBF";  // U+10FFFF

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

/// "1234" and the power of ten that it counts; leading zeros are gone.
struct Digits {
  std::string digits;
  int64_t exponent = 0;
};

Digits digits_of(std::string_view text) {
  Digits result;
  bool behind_point = false;
  for (const char c : text) {
    if (c == '.') {
      behind_point = true;
    } else if (c >= '0' && c <= '9') {
      result.exponent -= behind_point ? 1 : 0;
      if (c != '0' || !result.digits.empty()) {
        result.digits += c;
      }
    }
  }
  return result;
}

/// Keep `places` digits, towards zero or away from it.
void round_to(Digits& number, std::size_t places, bool away) {
  if (number.digits.size() <= places) {
    return;
  }
  const bool is_cut = number.digits.find_first_not_of('0', places) != std::string::npos;
  number.exponent += static_cast<int64_t>(number.digits.size() - places);
  number.digits.resize(places);
  std::size_t at = places;
  while (is_cut && away && at > 0 && number.digits[at - 1] == '9') {
    number.digits[--at] = '0';
  }
  if (is_cut && away && at > 0) {
    ++number.digits[at - 1];
  } else if (is_cut && away) {
    number.digits.insert(number.digits.begin(), '1');
  }
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

std::string decimal_bound(std::string_view text, bool is_min) {
  const bool negative = text.starts_with('-');
  Digits number = digits_of(text);
  round_to(number, kDecimalDigitsMax, is_min == negative);
  if (number.digits.empty()) {
    return "0";
  }
  if (number.exponent >= 0) {
    number.digits.append(static_cast<std::size_t>(number.exponent), '0');
    constexpr std::size_t kIntegerDigitsMax = 18;
    if (number.digits.size() > kIntegerDigitsMax) {
      number.digits += ".0";  // readers take it for an integer else, and refuse what has no room
    }
  } else {
    const auto behind = static_cast<std::size_t>(-number.exponent);
    if (number.digits.size() <= behind) {
      number.digits.insert(0, behind + 1 - number.digits.size(), '0');
    }
    number.digits.insert(number.digits.size() - behind, 1, '.');
  }
  return (negative ? "-" : "") + number.digits;
}

}  // namespace assay::lake
