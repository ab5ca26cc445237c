#pragma once

#include <cstdint>

#include "gold/big_integer.h"
#include "gold/cell.h"
#include "gold/exact_sum.h"
#include "gold/long_sum.h"

// Variance, standard deviation and skewness from exact sums of powers.
//
// A value is an integer (times 2^-1074 if it is a double), so its square and cube are integers too,
// and so are the sums S1, S2, S3 of n values, held exactly. From them, again exactly,
//
//   N2 = n S2 - S1^2                           = n^2 times the population variance
//   N3 = n^2 S3 - 3 n S1 S2 + 2 S1^3           = n^3 times the third central moment
//
// are rounded once each, and a few operations in a fixed order give the answer:
//
//   variance = N2 / (n (n - 1))                                       of a sample, as SQL's
//   var_samp stddev   = sqrt(variance) skewness = N3 / (N2 sqrt(N2)) * (sqrt(n (n - 1)) / (n - 2))
//   adjusted Fisher-Pearson
//
// Nothing cancels: the results are within 2, 2 and 6 units in the last place of the true ones,
// however close together the values lie. Exponents are kept apart, so only the result can overflow.
// Source  Joanes and Gill, "Comparing measures of sample skewness and kurtosis" (1998), G1.

namespace assay::gold {

/// Holds 2^48 cubes of doubles: bit 0 is 2^-3222, the largest ends below bit 6294.
using WideSum = LongSum<104>;

/// Add or take out value^power, in units of 2^(-1074 power). NaN and infinities are passed over:
/// the sum of values knows of them. `power` is 2 or 3.
void add_power(double value, int power, bool subtract, WideSum* sum);
/// The same of an integer, in units of 1.
void add_power(int64_t value, int power, bool subtract, WideSum* sum);

/// What the statistics are made from.
struct Moments {
  int64_t count = 0;
  bool is_finite = true;  // no NaN, no infinity among the values
  bool is_real = false;   // units of 2^-1074 for `sum`, and so on
  BigInteger sum;
  BigInteger squares;
  BigInteger cubes;  // skewness only
};

/// With count and sum set.
Moments moments_from(int64_t count, Int128 sum);
Moments moments_from(int64_t count, const ExactSum& sum);

/// Null for fewer than two values; NaN when a value is NaN or infinite.
Cell variance_cell(const Moments& moments);
Cell stddev_cell(const Moments& moments);
/// Null for fewer than three values and when all are equal; NaN when a value is NaN or infinite.
Cell skewness_cell(const Moments& moments);

}  // namespace assay::gold
