#include "data/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace assay::data {
namespace {

__extension__ typedef unsigned __int128 Unsigned128;

constexpr int kDigitsMax = 38;

constexpr std::array<Int128, kDigitsMax + 1> powers_of_ten() {
  std::array<Int128, kDigitsMax + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) {
    powers[i] = powers[i - 1] * 10;
  }
  return powers;
}
constexpr std::array<Int128, kDigitsMax + 1> kPowersOfTen = powers_of_ten();

/// The parts of a number: its digits without the point, and how many of them stand behind it.
struct Digits {
  bool negative = false;
  std::string digits;
  int64_t behind_point = 0;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<Digits> read_digits(std::string_view text) {
  Digits read;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    read.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  std::size_t at = 0;
  bool point = false;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !point)); ++at) {
    if (text[at] == '.') {
      point = true;
      continue;
    }
    read.digits += text[at];
    read.behind_point += point ? 1 : 0;
  }
  if (read.digits.empty()) {
    return std::nullopt;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const bool plus = at < text.size() && text[at] == '+';
    int exponent = 0;
    const char* begin = text.data() + at + (plus ? 1 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), exponent);
    if (error != std::errc() || end == begin || (plus && *begin == '-')) {
      return std::nullopt;
    }
    at = static_cast<std::size_t>(end - text.data());
    read.behind_point -= exponent;
  }
  return at == text.size() ? std::optional(std::move(read)) : std::nullopt;
}

}  // namespace

std::string format_decimal(Int128 units, int scale) {
  Unsigned128 rest = units < 0 ? -static_cast<Unsigned128>(units) : static_cast<Unsigned128>(units);
  std::string reversed;
  for (int digit = 0; rest != 0 || digit <= scale; ++digit) {
    if (digit == scale && scale != 0) {
      reversed += '.';
    }
    reversed += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (units < 0) {
    reversed += '-';
  }
  return {reversed.rbegin(), reversed.rend()};
}

std::optional<Int128> parse_decimal(std::string_view text, int precision, int scale) {
  const std::optional<Digits> read = read_digits(text);
  if (!read.has_value()) {
    return std::nullopt;
  }
  // `whole` digits of the text make up the units; what follows them is rounded.
  const int64_t whole = static_cast<int64_t>(read->digits.size()) - read->behind_point + scale;
  Int128 units = 0;
  for (int64_t i = 0; i < whole; ++i) {
    const bool given = i < static_cast<int64_t>(read->digits.size());
    const int digit = given ? read->digits[static_cast<std::size_t>(i)] - '0' : 0;
    if (units == 0 && digit == 0) {
      if (!given) {
        break;  // zero, whatever the exponent
      }
      continue;
    }
    if (!fits_precision(units, precision - 1)) {
      return std::nullopt;  // one more digit is too many
    }
    units = units * 10 + digit;
  }
  const bool up = whole >= 0 && whole < static_cast<int64_t>(read->digits.size()) &&
                  read->digits[static_cast<std::size_t>(whole)] >= '5';
  units += up ? 1 : 0;
  if (!fits_precision(units, precision)) {
    return std::nullopt;
  }
  return read->negative ? -units : units;
}

double decimal_to_double(Int128 units, int scale) {
  constexpr Int128 kExact = Int128{1} << 53;
  constexpr int kExactPower = 22;  // 10^22 is the last power of ten that a double holds
  if (units <= kExact && units >= -kExact && scale <= kExactPower) {
    return static_cast<double>(units) /
           static_cast<double>(kPowersOfTen[static_cast<std::size_t>(scale)]);
  }
  const std::string text = format_decimal(units, scale);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool fits_precision(Int128 units, int precision) {
  const Int128 end = kPowersOfTen[static_cast<std::size_t>(std::min(precision, kDigitsMax))];
  return units < end && units > -end;
}

}  // namespace assay::data
