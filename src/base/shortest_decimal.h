#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace assay {

/// The eight digits of a number below 10^8, a byte each, the first one lowest.
[[gnu::always_inline]] inline uint64_t eight_digits(uint32_t number) {
  // Two halves of four digits, each of them two of two, each of them two of one: what is divided
  // side by side is multiplied by a reciprocal and shifted.
  uint64_t lanes = number / 10'000 | uint64_t{number % 10'000} << 32;
  const uint64_t hundreds = (lanes * 10'486 >> 20) & 0x0000007F'0000007F;
  lanes = hundreds | (lanes - hundreds * 100) << 16;
  const uint64_t tens = (lanes * 103 >> 10) & 0x000F'000F'000F'000F;
  return tens | (lanes - tens * 10) << 8;
}
inline constexpr uint64_t kZeroDigits = 0x3030'3030'3030'3030;

/// Write a number below kSmallNumbersEnd in decimal, without zeroes before it; where it ends. Eight
/// bytes are touched.
inline constexpr uint32_t kSmallNumbersEnd = 100'000'000;
[[gnu::always_inline]] inline char* write_small_number(char* out, uint32_t number) {
  // Without a branch: how long numbers are is seldom foreseen.
  const uint64_t digits = eight_digits(number);
  const int zeroes = std::countr_zero(digits | uint64_t{1} << 56) / 8;
  const uint64_t text = (digits | kZeroDigits) >> (8 * zeroes);
  std::memcpy(out, &text, sizeof(text));
  return out + 8 - zeroes;
}

/// The most bytes that write_shortest_decimal() writes or touches.
inline constexpr std::size_t kShortestDecimalBytesMax = 32;

/// Write a finite double as std::to_chars does, in the shortest text that reads back to the same
/// bits, where it is no whole number and is less than 10^8; where it ends. Nullptr, and nothing
/// written, for all others.
///
/// Cost    two thirds to four fifths of std::to_chars.
/// Source  J. Jeon, "Dragonbox", 2020, in fmt
char* write_shortest_decimal(char* out, double value);

}  // namespace assay
