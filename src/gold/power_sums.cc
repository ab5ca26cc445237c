#include "gold/power_sums.h"

#include <bit>
#include <cmath>

namespace assay::gold {
namespace {

__extension__ typedef unsigned __int128 Unsigned128;

constexpr int kUnitExponent = -1074;

/// Add magnitude^power * 2^bit.
void add_magnitude_power(uint64_t magnitude, int power, int bit, bool subtract, WideSum* sum) {
  const Unsigned128 square = static_cast<Unsigned128>(magnitude) * magnitude;
  uint64_t words[4] = {static_cast<uint64_t>(square), static_cast<uint64_t>(square >> 64), 0, 0};
  if (power == 3) {
    const Unsigned128 low = static_cast<Unsigned128>(words[0]) * magnitude;
    const Unsigned128 high = static_cast<Unsigned128>(words[1]) * magnitude + (low >> 64);
    words[0] = static_cast<uint64_t>(low);
    words[1] = static_cast<uint64_t>(high);
    words[2] = static_cast<uint64_t>(high >> 64);
  }
  const int shift = bit & 63;
  if (shift != 0) {
    for (int i = 3; i > 0; --i) {
      words[i] = (words[i] << shift) | (words[i - 1] >> (64 - shift));
    }
    words[0] <<= shift;
  }
  sum->add<4>(bit >> 6, {words[0], words[1], words[2], words[3]}, subtract);
}

/// The population variance times n^2, rounded once, without the unit.
BigInteger second_numerator(const Moments& moments) {
  const BigInteger count = BigInteger::of(static_cast<Int128>(moments.count));
  return count.times(moments.squares).minus(moments.sum.times(moments.sum));
}

BigInteger third_numerator(const Moments& moments) {
  const BigInteger count = BigInteger::of(static_cast<Int128>(moments.count));
  const BigInteger three = BigInteger::of(Int128{3});
  const BigInteger two = BigInteger::of(Int128{2});
  const BigInteger& sum = moments.sum;
  return count.times(count.times(moments.cubes))
      .minus(three.times(count.times(sum.times(moments.squares))))
      .plus(two.times(sum.times(sum.times(sum))));
}

double count_times_one_less(int64_t count) {
  return static_cast<double>(static_cast<Int128>(count) * (count - 1));
}

Cell scaled_cell(double fraction, int64_t exponent) {
  return real_cell(std::ldexp(fraction, static_cast<int>(exponent)));
}

/// The variance before its exponent is applied.
ScaledReal scaled_variance(const Moments& moments) {
  ScaledReal result = second_numerator(moments).round();
  result.fraction /= count_times_one_less(moments.count);
  result.exponent += moments.is_real ? 2 * kUnitExponent : 0;
  return result;
}

}  // namespace

void add_power(double value, int power, bool subtract, WideSum* sum) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff);
  const uint64_t low_bits = bits & ((uint64_t{1} << 52) - 1);
  if (exponent == 0x7ff) {
    return;
  }
  const uint64_t magnitude = exponent == 0 ? low_bits : low_bits | (uint64_t{1} << 52);
  if (magnitude != 0) {
    const bool negative = power == 3 && (bits >> 63) != 0;
    add_magnitude_power(
        magnitude, power, power * (exponent == 0 ? 0 : exponent - 1), negative != subtract, sum);
  }
}

void add_power(int64_t value, int power, bool subtract, WideSum* sum) {
  if (value != 0) {
    const auto bits = static_cast<uint64_t>(value);
    const bool negative = power == 3 && value < 0;
    add_magnitude_power(value < 0 ? ~bits + 1 : bits, power, 0, negative != subtract, sum);
  }
}

Moments moments_from(int64_t count, Int128 sum) {
  Moments moments;
  moments.count = count;
  moments.sum = BigInteger::of(sum);
  return moments;
}

Moments moments_from(int64_t count, const ExactSum& sum) {
  Moments moments;
  moments.count = count;
  moments.is_finite = sum.is_finite();
  moments.is_real = true;
  moments.sum = BigInteger::of(sum.finite_part());
  return moments;
}

Cell variance_cell(const Moments& moments) {
  if (moments.count < 2) {
    return {};
  }
  if (!moments.is_finite) {
    return nan_cell();
  }
  const ScaledReal variance = scaled_variance(moments);
  return scaled_cell(variance.fraction, variance.exponent);
}

Cell stddev_cell(const Moments& moments) {
  if (moments.count < 2) {
    return {};
  }
  if (!moments.is_finite) {
    return nan_cell();
  }
  ScaledReal variance = scaled_variance(moments);
  if ((variance.exponent & 1) != 0) {
    variance.fraction *= 2;
    --variance.exponent;
  }
  return scaled_cell(std::sqrt(variance.fraction), variance.exponent / 2);
}

Cell skewness_cell(const Moments& moments) {
  if (moments.count < 3) {
    return {};
  }
  if (!moments.is_finite) {
    return nan_cell();
  }
  ScaledReal second = second_numerator(moments).round();
  if (second.fraction == 0) {
    return {};
  }
  if ((second.exponent & 1) != 0) {
    second.fraction *= 2;
    --second.exponent;
  }
  const ScaledReal third = third_numerator(moments).round();
  const double ratio = third.fraction / (second.fraction * std::sqrt(second.fraction));
  const double adjusted = ratio * (std::sqrt(count_times_one_less(moments.count)) /
                                   static_cast<double>(moments.count - 2));
  // The units cancel: N3 has three of them, and N2 to the power of 3/2 has too.
  return scaled_cell(adjusted, third.exponent - second.exponent / 2 * 3);
}

}  // namespace assay::gold
