#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/time.h"
#include "data/expression_kernels.h"
#include "data/expression_lexer.h"

// Casts. A value that the target type cannot hold, and a text that does not say such a value, gives
// null.

namespace assay::data {
namespace {

using Text = std::string_view;

// --- numbers

struct IntegerToBool {
  static uint8_t apply(int64_t a) { return static_cast<uint8_t>(a != 0); }
};
struct FloatToBool {
  static uint8_t apply(double a) { return static_cast<uint8_t>(a != 0); }
};
template <typename To, typename From>
struct Widen {
  static To apply(From a) { return static_cast<To>(a); }
};
struct NarrowInteger {
  static bool apply(int64_t a, int32_t& out) {
    out = static_cast<int32_t>(a);
    return a == out;
  }
};
struct NarrowFloat {
  static bool apply(double a, float& out) {
    const bool answered =
        !std::isfinite(a) || std::fabs(a) <= double{std::numeric_limits<float>::max()};
    out = static_cast<float>(answered ? a : 0);
    return answered;
  }
};
/// Nearest integer, halves to the even one.
template <typename To>
struct FloatToInteger {
  static bool apply(double a, To& out) {
    constexpr double kBegin = static_cast<double>(std::numeric_limits<To>::min());
    constexpr double kEnd = -kBegin;
    const double rounded = std::nearbyint(a);
    const bool answered = rounded >= kBegin && rounded < kEnd;
    out = static_cast<To>(answered ? rounded : 0);
    return answered;
  }
};

// --- from text

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

Text trimmed(Text text) {
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

/// Without spaces around it and without a plus sign.
Text number_text(Text text) {
  text = trimmed(text);
  if (text.size() > 1 && text.front() == '+' && text[1] != '-' && text[1] != '+') {
    text.remove_prefix(1);
  }
  return text;
}

template <typename T>
struct TextToInteger {
  static bool apply(Text text, T& out) {
    text = number_text(text);
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, out);
    return error == std::errc() && stop == end && !text.empty();
  }
};

struct TextToFloat {
  static bool apply(Text text, double& out) {
    text = number_text(text);
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, out);
    if (stop != end || text.empty() || text.back() == ')' || error == std::errc::invalid_argument) {
      return false;
    }
    if (error == std::errc::result_out_of_range) {
      out = std::strtod(std::string(text).c_str(), nullptr);  // zero or infinity of the right sign
    }
    return true;
  }
};
struct TextToFloat32 {
  static bool apply(Text text, float& out) {
    double wide = 0;
    return TextToFloat::apply(text, wide) && NarrowFloat::apply(wide, out);
  }
};

struct TextToBool {
  static bool apply(Text text, uint8_t& out) {
    constexpr std::array<Text, 5> kTrue = {"true", "t", "yes", "y", "1"};
    constexpr std::array<Text, 5> kFalse = {"false", "f", "no", "n", "0"};
    for (std::size_t i = 0; i < kTrue.size(); ++i) {
      if (same_letters(text, kTrue[i]) || same_letters(text, kFalse[i])) {
        out = static_cast<uint8_t>(same_letters(text, kTrue[i]));
        return true;
      }
    }
    return false;
  }

 private:
  static bool same_letters(Text text, Text lower) {
    if (text.size() != lower.size()) {
      return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c =
          text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + ('a' - 'A')) : text[i];
      if (c != lower[i]) {
        return false;
      }
    }
    return true;
  }
};

struct TextToTimestamp {
  static bool apply(Text text, int64_t& out) {
    EventTime time;
    const bool answered = try_parse_time(trimmed(text), &time);
    out = time.micros;
    return answered;
  }
};
struct TextToDate {
  static bool apply(Text text, int32_t& out) {
    int64_t micros = 0;
    const bool answered = TextToTimestamp::apply(text, micros);
    out = static_cast<int32_t>(floor_to(micros, kMicrosPerDay) / kMicrosPerDay);
    return answered;
  }
};

// --- to text

constexpr std::size_t kNumberBytesMax = 64;

bool keep(const char* begin, std::size_t size, TextArena& texts, Text& out) {
  char* bytes = texts.allocate(size);
  std::copy(begin, begin + size, bytes);
  out = {bytes, size};
  return true;
}

struct BoolToText {
  static Text apply(uint8_t a) { return a != 0 ? Text("true") : Text("false"); }
};
template <typename T>
struct IntegerToText {
  static bool apply(T a, TextArena& texts, Text& out) {
    std::array<char, kNumberBytesMax> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), a).ptr;
    return keep(buffer.data(), static_cast<std::size_t>(end - buffer.data()), texts, out);
  }
};
/// Fewest digits that read back to the same bits; plain from 0.0001 to below 1e16, else with an
/// exponent of at least two digits.
template <typename T>
struct FloatToText {
  static bool apply(T a, TextArena& texts, Text& out) {
    if (std::isnan(a)) {
      return keep("nan", 3, texts, out);
    }
    if (std::isinf(a)) {
      return a < 0 ? keep("-inf", 4, texts, out) : keep("inf", 3, texts, out);
    }
    std::array<char, kNumberBytesMax> scientific{};
    const char* end = std::to_chars(scientific.data(),
                                    scientific.data() + scientific.size(),
                                    a,
                                    std::chars_format::scientific)
                          .ptr;
    const double magnitude = std::fabs(static_cast<double>(a));
    if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
      return keep(scientific.data(), static_cast<std::size_t>(end - scientific.data()), texts, out);
    }
    std::array<char, kNumberBytesMax> plain{};
    const std::size_t size = write_plain(
        {scientific.data(), static_cast<std::size_t>(end - scientific.data())}, plain.data());
    return keep(plain.data(), size, texts, out);
  }

 private:
  /// "1.25e+02" as "125.0"; always with a digit after the point.
  static std::size_t write_plain(Text scientific, char* out) {
    char* const begin = out;
    const auto put = [&](char c) { *out++ = c; };
    if (scientific.front() == '-') {
      put('-');
      scientific.remove_prefix(1);
    }
    const std::size_t e = scientific.find('e');
    int exponent = 0;
    const bool negative = scientific[e + 1] == '-';
    std::from_chars(scientific.data() + e + 2, scientific.data() + scientific.size(), exponent);
    exponent = negative ? -exponent : exponent;
    std::array<char, kNumberBytesMax> digits{};
    int count = 0;
    for (const char c : scientific.substr(0, e)) {
      if (c != '.') {
        digits[static_cast<std::size_t>(count++)] = c;
      }
    }
    // Digit i stands at place exponent - i of ten; the number runs from its first place, at least
    // the ones, to its last, at least the tenths.
    const int last = std::min(exponent - count + 1, -1);
    for (int place = std::max(exponent, 0); place >= last; --place) {
      if (place == -1) {
        put('.');
      }
      const int index = exponent - place;
      put(index >= 0 && index < count ? digits[static_cast<std::size_t>(index)] : '0');
    }
    return static_cast<std::size_t>(out - begin);
  }
};

/// True for a day of the years that an instant may lie in.
bool is_day(int32_t days) {
  return days >= kFirstInstant.micros / kMicrosPerDay && days < kEndInstant.micros / kMicrosPerDay;
}

struct DateToText {
  static bool apply(int32_t days, TextArena& texts, Text& out) {
    if (!is_day(days)) {
      return false;
    }
    const CivilDate date = civil_from_days(days);
    std::array<char, kNumberBytesMax> buffer{};
    const int size = std::snprintf(buffer.data(),
                                   buffer.size(),
                                   "%04d-%02u-%02u",
                                   static_cast<int>(date.year),
                                   date.month,
                                   date.day);
    return keep(buffer.data(), static_cast<std::size_t>(size), texts, out);
  }
};
/// As DuckDB writes it: 2024-01-31 10:00:00.25+00.
struct TimestampToText {
  static bool apply(int64_t micros, TextArena& texts, Text& out) {
    if (!is_instant(micros)) {
      return false;
    }
    const int64_t midnight = floor_to(micros, kMicrosPerDay);
    const CivilDate date = civil_from_days(midnight / kMicrosPerDay);
    const auto second = static_cast<int>((micros - midnight) / kMicrosPerSecond);
    const auto fraction = static_cast<int>((micros - midnight) % kMicrosPerSecond);
    std::array<char, kNumberBytesMax> buffer{};
    int size = std::snprintf(buffer.data(),
                             buffer.size(),
                             "%04d-%02u-%02u %02d:%02d:%02d",
                             static_cast<int>(date.year),
                             date.month,
                             date.day,
                             second / 3600,
                             second / 60 % 60,
                             second % 60);
    if (fraction != 0) {
      size += std::snprintf(
          buffer.data() + size, buffer.size() - static_cast<std::size_t>(size), ".%06d", fraction);
      while (buffer[static_cast<std::size_t>(size) - 1] == '0') {
        --size;
      }
    }
    size +=
        std::snprintf(buffer.data() + size, buffer.size() - static_cast<std::size_t>(size), "+00");
    return keep(buffer.data(), static_cast<std::size_t>(size), texts, out);
  }
};

// --- times

struct DateToTimestamp {
  static bool apply(int32_t days, int64_t& out) {
    out = is_day(days) ? days * kMicrosPerDay : 0;
    return is_day(days);
  }
};
struct TimestampToDate {
  static bool apply(int64_t micros, int32_t& out) {
    const bool answered = is_instant(micros);
    out = static_cast<int32_t>(floor_to(answered ? micros : 0, kMicrosPerDay) / kMicrosPerDay);
    return answered;
  }
};

// --- the table

template <typename Op, typename To, typename From>
KernelChoice always() {
  return {map_kernel<Op, To, From>, NullRule::kStrict};
}
template <typename To, typename From>
KernelChoice widen() {
  return always<Widen<To, From>, To, From>();
}
template <typename Op, typename To, typename From>
KernelChoice maybe() {
  return {partial_kernel<Op, To, From>, NullRule::kPartial};
}
template <typename Op, typename From>
KernelChoice to_text() {
  return {text_kernel<Op, From>, NullRule::kPartial};
}

template <typename From>
KernelChoice cast_number(ValueKind to) {
  constexpr bool kFloating = std::is_floating_point_v<From>;
  switch (to) {
    case ValueKind::kBool:
      return always<std::conditional_t<kFloating, FloatToBool, IntegerToBool>, uint8_t, From>();
    case ValueKind::kInt32:
      return maybe<std::conditional_t<kFloating, FloatToInteger<int32_t>, NarrowInteger>,
                   int32_t,
                   From>();
    case ValueKind::kInt64:
      if constexpr (kFloating) {
        return maybe<FloatToInteger<int64_t>, int64_t, From>();
      } else {
        return widen<int64_t, From>();
      }
    case ValueKind::kFloat32:
      if constexpr (kFloating) {
        return maybe<NarrowFloat, float, From>();
      } else {
        return widen<float, From>();
      }
    case ValueKind::kFloat64:
      return widen<double, From>();
    case ValueKind::kString:
      if constexpr (kFloating) {
        return to_text<FloatToText<From>, From>();
      } else {
        return to_text<IntegerToText<From>, From>();
      }
    default:
      return {};
  }
}

KernelChoice cast_bool(ValueKind to) {
  switch (to) {
    case ValueKind::kInt32:
      return widen<int32_t, uint8_t>();
    case ValueKind::kInt64:
      return widen<int64_t, uint8_t>();
    case ValueKind::kFloat32:
      return widen<float, uint8_t>();
    case ValueKind::kFloat64:
      return widen<double, uint8_t>();
    case ValueKind::kString:
      return always<BoolToText, Text, uint8_t>();
    default:
      return {};
  }
}

KernelChoice cast_text(ValueKind to) {
  switch (to) {
    case ValueKind::kBool:
      return maybe<TextToBool, uint8_t, Text>();
    case ValueKind::kInt32:
      return maybe<TextToInteger<int32_t>, int32_t, Text>();
    case ValueKind::kInt64:
      return maybe<TextToInteger<int64_t>, int64_t, Text>();
    case ValueKind::kFloat32:
      return maybe<TextToFloat32, float, Text>();
    case ValueKind::kFloat64:
      return maybe<TextToFloat, double, Text>();
    case ValueKind::kDate:
      return maybe<TextToDate, int32_t, Text>();
    case ValueKind::kTimestamp:
      return maybe<TextToTimestamp, int64_t, Text>();
    default:
      return {};
  }
}

}  // namespace

KernelChoice cast_kernel(ValueKind from, ValueKind to) {
  switch (from) {
    case ValueKind::kBool:
      return cast_bool(to);
    case ValueKind::kInt32:
      return cast_number<int32_t>(to);
    case ValueKind::kInt64:
      return cast_number<int64_t>(to);
    case ValueKind::kFloat32:
      return cast_number<float>(to);
    case ValueKind::kFloat64:
      return cast_number<double>(to);
    case ValueKind::kString:
      return cast_text(to);
    case ValueKind::kDate:
      return to == ValueKind::kTimestamp ? maybe<DateToTimestamp, int64_t, int32_t>()
             : to == ValueKind::kString  ? to_text<DateToText, int32_t>()
                                         : KernelChoice{};
    case ValueKind::kTimestamp:
      return to == ValueKind::kDate     ? maybe<TimestampToDate, int32_t, int64_t>()
             : to == ValueKind::kString ? to_text<TimestampToText, int64_t>()
                                        : KernelChoice{};
    case ValueKind::kNull:
    case ValueKind::kBytes:
    case ValueKind::kInterval:
    case ValueKind::kVector:
    case ValueKind::kNested:
      return {};
  }
  return {};
}

}  // namespace assay::data
