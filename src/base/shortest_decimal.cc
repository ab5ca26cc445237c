// Schubfach: of the decimals with the fewest digits that lie within the interval that rounds to a
// double, the nearest one. The interval's bounds and the double are scaled by a power of ten, which
// is known to 128 bits and rounded up, and rounded to odd: that is enough to compare them with
// whole numbers exactly.

#include "base/shortest_decimal.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace assay {
namespace {

__extension__ using Wide = unsigned __int128;

struct Power {
  uint64_t high = 0;
  uint64_t low = 0;
};
constexpr int kFirstPower = -292;
constexpr int kLastPower = 324;
constexpr std::size_t kPowers = kLastPower - kFirstPower + 1;

/// A whole number of up to 1,152 bits, the lowest ones first.
class Large {
 public:
  constexpr explicit Large(int bit) { words_[static_cast<std::size_t>(bit / 32)] = 1U << bit % 32; }
  constexpr void multiply_by_ten() {
    uint64_t carry = 0;
    for (uint32_t& word : words_) {
      carry += uint64_t{word} * 10;
      word = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  constexpr void divide_by_ten() {
    uint64_t rest = 0;
    for (std::size_t i = words_.size(); i-- > 0;) {
      const uint64_t dividend = rest << 32 | words_[i];
      words_[i] = static_cast<uint32_t>(dividend / 10);
      rest = dividend % 10;
    }
  }
  /// The highest 128 bits; rounded up when some below them are set, or `is_less_than_whole`.
  [[nodiscard]] constexpr Power top(bool is_less_than_whole) const {
    std::size_t words = words_.size();
    while (words_[words - 1] == 0) {
      --words;
    }
    const int bits = static_cast<int>(words) * 32 - std::countl_zero(words_[words - 1]);
    Wide top = 0;
    for (int bit = bits - 1; bit >= 0 && bit >= bits - 128; --bit) {
      top = top << 1 | (words_[static_cast<std::size_t>(bit / 32)] >> bit % 32 & 1);
    }
    bool is_more = is_less_than_whole;
    for (int bit = 0; bit < bits - 128 && !is_more; ++bit) {
      is_more = (words_[static_cast<std::size_t>(bit / 32)] >> bit % 32 & 1) != 0;
    }
    top <<= bits < 128 ? 128 - bits : 0;
    top += is_more ? 1 : 0;
    return {static_cast<uint64_t>(top >> 64), static_cast<uint64_t>(top)};
  }

 private:
  std::array<uint32_t, 36> words_{};
};

/// 10^k / 2^r, where r makes it a number of 128 bits; rounded up.
constexpr std::array<Power, kPowers> make_powers() {
  std::array<Power, kPowers> powers{};
  Large large(0);
  for (int k = 0; k <= kLastPower; ++k, large.multiply_by_ten()) {
    powers[static_cast<std::size_t>(k - kFirstPower)] = large.top(false);
  }
  Large small(1151);  // so that 128 bits are left of 10^-292
  for (int k = -1; k >= kFirstPower; --k) {
    small.divide_by_ten();
    powers[static_cast<std::size_t>(k - kFirstPower)] = small.top(true);
  }
  return powers;
}
constexpr std::array<Power, kPowers> kPowersOfTen = make_powers();

/// floor(log10(2^q)), or of three quarters of that; floor(log2(10^k)).
constexpr int log10_of(int q, bool is_three_quarters) {
  return (q * 1'262'611 - (is_three_quarters ? 524'031 : 0)) >> 22;
}
constexpr int log2_of_power(int k) {
  return (k * 1'741'647) >> 19;
}

/// The product without its lowest 128 bits; odd when they are more than nothing.
uint64_t round_to_odd(const Power& power, uint64_t factor) {
  const auto low = static_cast<uint64_t>(Wide{power.low} * factor >> 64);
  const Wide product = Wide{power.high} * factor + low;
  return static_cast<uint64_t>(product >> 64) | (static_cast<uint64_t>(product) > 1 ? 1 : 0);
}

/// digits x 10^exponent; the last digit may be 0.
struct Decimal {
  uint64_t digits = 0;
  int exponent = 0;
};

/// Of a double that is no whole number.
Decimal shortest(uint64_t fraction, int biased_exponent) {
  constexpr int kBias = 1075;
  const uint64_t c = biased_exponent == 0 ? fraction : fraction | uint64_t{1} << 52;
  const int q = (biased_exponent == 0 ? 1 : biased_exponent) - kBias;
  const bool is_lower_closer = fraction == 0 && biased_exponent > 1;
  const uint64_t is_odd = c & 1;  // bounds of odd ones round to their neighbours
  const int k = log10_of(q, is_lower_closer);
  const int shift = q + log2_of_power(-k) + 1;
  const Power& power = kPowersOfTen[static_cast<std::size_t>(-k - kFirstPower)];
  const uint64_t lower =
      round_to_odd(power, (4 * c - 2 + (is_lower_closer ? 1 : 0)) << shift) + is_odd;
  const uint64_t value = round_to_odd(power, 4 * c << shift);
  const uint64_t upper = round_to_odd(power, (4 * c + 2) << shift) - is_odd;
  // One digit less, if one such decimal is within; it is not foreseen, so both are computed.
  const uint64_t floor = value / 4;
  const uint64_t tens = floor / 10;
  const bool is_ten_below = lower <= 40 * tens;
  const bool is_ten_above = 40 * tens + 40 <= upper;
  const bool is_shorter = (floor >= 10) & (is_ten_below != is_ten_above);
  const bool is_below = lower <= 4 * floor;
  const bool is_above = 4 * floor + 4 <= upper;
  const uint64_t middle = 4 * floor + 2;
  const bool is_nearer_above = (value > middle) | ((value == middle) & ((floor & 1) != 0));
  const bool goes_up = is_below != is_above ? is_above : is_nearer_above;
  const uint64_t shorter = tens + (is_ten_above ? 1 : 0);
  const uint64_t longer = floor + (goes_up ? 1 : 0);
  return {is_shorter ? shorter : longer, k + (is_shorter ? 1 : 0)};
}

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
  Decimal decimal =
      shortest(bits & ((uint64_t{1} << 52) - 1), static_cast<int>(bits >> 52 & 0x7FF));
  while (decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    ++decimal.exponent;
  }
  if ((bits >> 63) != 0) {
    *out++ = '-';
  }
  Digits all;  // NOLINT(cppcoreguidelines-pro-type-member-init): what is behind them is not read
  put_digits(decimal.digits, &all);
  const int count = count_of_digits(decimal.digits);
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
