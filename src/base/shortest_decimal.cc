// The digits are found by fmt's Dragonbox; how they stand as text is up to us, since fmt writes
// another form than std::to_chars.

#include "base/shortest_decimal.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

namespace assay {
namespace {

constexpr int kDigitsMax = 17;

constexpr std::array<uint64_t, 20> kTens = [] {
  std::array<uint64_t, 20> tens{1};
  for (std::size_t i = 1; i < tens.size(); ++i) {
    tens[i] = tens[i - 1] * 10;
  }
  return tens;
}();

int count_of_digits(uint64_t number) {
  const int about = (64 - std::countl_zero(number | 1)) * 1233 >> 12;
  return about + (number >= kTens[static_cast<std::size_t>(about)] ? 1 : 0);
}

void put_eight(char* out, uint32_t number) {
  const uint64_t word = eight_digits(number) | kZeroDigits;
  std::memcpy(out, &word, sizeof(word));
}

/// Seventeen digits, zeroes before them.
using Digits = std::array<char, 48>;  // where more are copied than there are
void put_digits(uint64_t digits, Digits* out) {
  constexpr uint64_t kEight = 100'000'000;
  const uint64_t high = digits / kEight;
  const auto first = static_cast<uint32_t>(high / kEight);
  (*out)[0] = static_cast<char>('0' + first);
  put_eight(out->data() + 1, static_cast<uint32_t>(high - first * kEight));
  put_eight(out->data() + 9, static_cast<uint32_t>(digits % kEight));
}

/// d.ddde-xx
char* write_scientific(char* out, const char* digits, int count, int exponent) {
  *out++ = digits[0];
  if (count > 1) {
    *out++ = '.';
    std::memcpy(out, digits + 1, kDigitsMax);
    out += count - 1;
  }
  *out++ = 'e';
  *out++ = '-';
  const auto below = static_cast<uint32_t>(-exponent);  // whole numbers do not come here
  if (below >= 100) {
    *out++ = static_cast<char>('0' + below / 100);
  }
  *out++ = static_cast<char>('0' + below / 10 % 10);
  *out++ = static_cast<char>('0' + below % 10);
  return out;
}

}  // namespace

char* write_shortest_decimal(char* out, double value) {
  constexpr double kEnd = 1e8;
  if (!(std::fabs(value) < kEnd) || std::trunc(value) == value) {
    return nullptr;
  }
  const auto bits = std::bit_cast<uint64_t>(value);
  const auto decimal = fmt::detail::dragonbox::to_decimal(std::fabs(value));
  if ((bits >> 63) != 0) {
    *out++ = '-';
  }
  Digits all{};
  put_digits(decimal.significand, &all);
  const int count = count_of_digits(decimal.significand);
  const char* const text = all.data() + kDigitsMax - count;
  const int whole = count + decimal.exponent;  // digits before the point; it is no whole number
  // Without an exponent as long as that is not longer.
  if (decimal.exponent < -(count + 3) + (count == 1 ? 1 : 0)) {
    return write_scientific(out, text, count, whole - 1);
  }
  if (whole <= 0) {
    std::memcpy(out, "0.00000", 7);
    out += 2 - whole;
    std::memcpy(out, text, kDigitsMax);
    return out + count;
  }
  std::memcpy(out, text, 8);
  out[whole] = '.';
  std::memcpy(out + whole + 1, text + whole, kDigitsMax);
  return out + count + 1;
}

}  // namespace assay
