#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "data/decode_row.h"

// Values of JSON that are no object and no array, from the text that they are. They stand in a
// header because two loops over members call them for each value. What is rare, such as a string
// with escapes, is refused: a tree reads it.

namespace assay::data {

/// A comparison that the compiler writes out.
template <std::size_t kSize>
bool is_word(std::string_view token, const char (&word)[kSize]) {
  return token.size() == kSize - 1 && std::memcmp(token.data(), word, kSize - 1) == 0;
}

inline bool is_json_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The end of the digits from `at` on.
inline const char* past_digits(const char* at, const char* end) {
  while (at != end && is_json_digit(*at)) {
    ++at;
  }
  return at;
}

/// Eight bytes as they lie, the first one lowest.
inline uint64_t eight_bytes(const char* at) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word;
}
/// Whether they are digits: each has 3 as its upper half, and still has it when 6 is added.
inline bool are_digits(uint64_t word) {
  constexpr uint64_t kUpper = 0xf0f0f0f0f0f0f0f0U;
  return ((word & kUpper) | (((word + 0x0606060606060606U) & kUpper) >> 4)) == 0x3333333333333333U;
}
/// Their number: of two digits, of two such pairs, and of two such fours at a time.
inline int64_t number_of_digits(uint64_t word) {
  word -= 0x3030303030303030U;
  word = word * 10 + (word >> 8);
  word = ((word & 0x000000ff000000ffU) * 0x000f424000000064U +
          ((word >> 16) & 0x000000ff000000ffU) * 0x0000271000000001U) >>
         32;
  return static_cast<int64_t>(word);
}

struct JsonNumber {
  bool is_whole = true;  // no fraction, no exponent: -0 is the integer 0
  int64_t whole = 0;
  double real = 0;
};

/// Powers of ten that a double holds exactly.
inline constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::ptrdiff_t kJsonDigits = 18;  // always fit 64 bits

/// A number as JSON writes it that is no integer of up to kJsonDigits digits, which end at `at`.
inline bool read_json_real(std::string_view token,
                           const char* first,
                           const char* at,
                           JsonNumber* number) {
  const char* const end = token.data() + token.size();
  number->is_whole = false;
  at = past_digits(at, end);
  const char* fraction = end;
  if (at != end && *at == '.') {
    fraction = at + 1;
    at = past_digits(fraction, end);
    if (at == fraction) {
      return false;
    }
  } else if (at == end) {
    return false;  // an integer of more digits
  }
  if (at == end && end - first - 1 <= kJsonDigits) {
    // Few digits: both numbers are exact, so their quotient is what the text says (Clinger, "How to
    // read floating point numbers accurately", 1990).
    int64_t digits = number->whole;
    for (const char* digit = fraction; digit != end; ++digit) {
      digits = digits * 10 + (*digit - '0');
    }
    if (digits <= int64_t{1} << 53) {
      const double real = static_cast<double>(digits) / kPowersOfTen[end - fraction];
      number->real = token.front() == '-' ? -real : real;
      return true;
    }
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    at += at != end && (*at == '+' || *at == '-') ? 1 : 0;
    const char* const exponent = at;
    at = past_digits(exponent, end);
    if (at == exponent) {
      return false;
    }
  }
  const auto read = std::from_chars(token.data(), end, number->real);
  return at == end && read.ec == std::errc() && read.ptr == end;
}

/// A number as JSON writes it. False also for integers that may not fit 64 bits.
inline bool read_json_number(std::string_view token, JsonNumber* number) {
  const char* const end = token.data() + token.size();
  const bool negative = token.front() == '-';
  const char* const first = token.data() + (negative ? 1 : 0);
  const char* at = first;
  for (; at != end && is_json_digit(*at) && at - first < kJsonDigits; ++at) {
    number->whole = number->whole * 10 + (*at - '0');
  }
  if (at == first || (*first == '0' && at - first > 1)) {
    return false;
  }
  if (at != end) {
    return read_json_real(token, first, at, number);
  }
  number->whole = negative ? -number->whole : number->whole;
  number->real = static_cast<double>(number->whole);
  return true;
}

/// What stands between the quotes of a string without escapes.
inline bool read_json_text(std::string_view token, std::string_view* text) {
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') {
    return false;
  }
  *text = token.substr(1, token.size() - 2);
  return std::memchr(text->data(), '\\', text->size()) == nullptr;
}

inline bool is_json_scalar(std::string_view token) {
  std::string_view text;
  JsonNumber number;
  switch (token.front()) {
    case '"':
      return read_json_text(token, &text);
    case 't':
      return is_word(token, "true");
    case 'f':
      return is_word(token, "false");
    case 'n':
      return is_word(token, "null");
    default:
      return read_json_number(token, &number);
  }
}

inline bool read_json_timestamp(std::string_view token, TimeUnit unit, RowCell* cell) {
  std::string_view text;
  JsonNumber number;
  if (unit == TimeUnit::kText) {
    return read_json_text(token, &text) && read_time_text(text, cell);
  }
  return read_json_number(token, &number) &&
         (number.is_whole ? read_time_count(number.whole, unit, cell)
                          : read_time_count(number.real, unit, cell));
}

/// A value that is not null.
inline bool read_json_value(std::string_view token,
                            const Type& type,
                            TimeUnit unit,
                            RowCell* cell) {
  std::string_view text;
  JsonNumber number;
  switch (type) {
    case Type::kBool:
      cell->integer = is_word(token, "true") ? 1 : 0;
      return cell->integer != 0 || is_word(token, "false");
    case Type::kFloat32:
    case Type::kFloat64:
      if (!read_json_number(token, &number)) {
        return false;
      }
      cell->number = number.real;
      return type == Type::kFloat64 || fits_float32(cell->number);
    case Type::kString:
      return read_json_text(token, &cell->text);
    case Type::kDate:
      return read_json_text(token, &text) && read_date(text, cell);
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return read_json_timestamp(token, unit, cell);
    default:
      if (!read_json_number(token, &number) || !number.is_whole) {
        return false;
      }
      cell->integer = number.whole;
      return fits_integer(cell->integer, type);
  }
}

}  // namespace assay::data
