#include <array>
#include <cmath>
#include <limits>

#include "data/expression_functions.h"
#include "data/expression_kernels.h"

// Numbers. Integers in int64, the rest in float64; no answer (overflow, division by zero, a root or
// a logarithm outside its domain) is null.

namespace assay::data {
namespace {

constexpr int64_t kInt64Min = std::numeric_limits<int64_t>::min();

struct Add {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_add_overflow(a, b, &out);
  }
  static double apply(double a, double b) { return a + b; }
};
struct Subtract {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_sub_overflow(a, b, &out);
  }
  static double apply(double a, double b) { return a - b; }
};
struct Multiply {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_mul_overflow(a, b, &out);
  }
  static double apply(double a, double b) { return a * b; }
};
struct Divide {
  static bool apply(double a, double b, double& out) {
    out = a / b;
    return b != 0;
  }
};
struct ZScore {
  static bool apply(double x, double mean, double stddev, double& out) {
    out = (x - mean) / stddev;
    return stddev != 0;
  }
};
struct IntegerDivide {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    const bool answered = b != 0 && !(a == kInt64Min && b == -1);
    out = a / (answered ? b : 1);
    return answered;
  }
};
struct Remainder {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    const bool answered = b != 0 && !(a == kInt64Min && b == -1);
    out = a % (answered ? b : 1);
    return answered;
  }
  static bool apply(double a, double b, double& out) {
    out = std::fmod(a, b);
    return b != 0;
  }
};
struct Negate {
  static bool apply(int64_t a, int64_t& out) {
    return !__builtin_sub_overflow(int64_t{0}, a, &out);
  }
  static double apply(double a) { return -a; }
};
struct Absolute {
  static bool apply(int64_t a, int64_t& out) {
    out = a < 0 && a != kInt64Min ? -a : a;
    return a != kInt64Min;
  }
  static double apply(double a) { return std::fabs(a); }
};
struct Sign {
  static int64_t apply(int64_t a) { return (a > 0) - (a < 0); }
  static int64_t apply(double a) { return (a > 0) - (a < 0); }
};
struct Round {
  static int64_t apply(int64_t a) { return a; }
  static double apply(double a) { return std::round(a); }
};
struct RoundTo {
  /// Half away from zero at 10^-digits; more digits than an integer has change nothing.
  static bool apply(int64_t a, int64_t digits, int64_t& out) {
    constexpr int64_t kInt64Digits = 19;
    if (digits >= 0 || digits < -kInt64Digits) {
      out = digits >= 0 ? a : 0;
      return true;
    }
    __extension__ using Wide = __int128;
    Wide unit = 1;
    for (int64_t i = 0; i < -digits; ++i) {
      unit *= 10;
    }
    const Wide rounded = (a + (a < 0 ? -unit / 2 : unit / 2)) / unit * unit;
    out = static_cast<int64_t>(rounded);
    return rounded == out;
  }
  static double apply(double a, int64_t digits) {
    if (!std::isfinite(a)) {
      return a;
    }
    const double unit = std::pow(10.0, std::fabs(static_cast<double>(digits)));
    const double rounded = digits < 0 ? std::round(a / unit) * unit : std::round(a * unit) / unit;
    if (!std::isfinite(rounded)) {
      return digits < 0 ? 0.0 : a;
    }
    return rounded;
  }
};
struct Floor {
  static double apply(double a) { return std::floor(a); }
};
struct Ceil {
  static double apply(double a) { return std::ceil(a); }
};
struct SquareRoot {
  static bool apply(double a, double& out) {
    out = std::sqrt(a);
    return !(a < 0);
  }
};
struct NaturalLogarithm {
  static bool apply(double a, double& out) {
    out = std::log(a);
    return !(a <= 0);
  }
};
struct Logarithm10 {
  static bool apply(double a, double& out) {
    out = std::log10(a);
    return !(a <= 0);
  }
};
struct Exponential {
  static double apply(double a) { return std::exp(a); }
};
struct Power {
  static double apply(double a, double b) { return std::pow(a, b); }
};
struct IsNan {
  static uint8_t apply(double a) { return static_cast<uint8_t>(std::isnan(a)); }
};
struct IsFinite {
  static uint8_t apply(double a) { return static_cast<uint8_t>(std::isfinite(a)); }
};

constexpr auto kB = ValueKind::kBool;
constexpr auto kI = ValueKind::kInt64;
constexpr auto kF = ValueKind::kFloat64;
constexpr auto kMaybe = NullRule::kPartial;
constexpr auto kAlways = NullRule::kStrict;

template <typename Op>
constexpr Kernel kIntegerPair = partial_kernel<Op, int64_t, int64_t, int64_t>;
template <typename Op>
constexpr Kernel kFloatPair = map_kernel<Op, double, double, double>;
template <typename Op>
constexpr Kernel kFloatPairMaybe = partial_kernel<Op, double, double, double>;
template <typename Op>
constexpr Kernel kFloatOne = map_kernel<Op, double, double>;
template <typename Op>
constexpr Kernel kFloatOneMaybe = partial_kernel<Op, double, double>;

}  // namespace

std::vector<FunctionEntry> number_functions() {
  return {
      {"+", {kI, kI}, kI, kIntegerPair<Add>, kMaybe, "Sum. An integer sum beyond 64 bits is null."},
      {"+", {kF, kF}, kF, kFloatPair<Add>, kAlways, ""},
      {"-",
       {kI, kI},
       kI,
       kIntegerPair<Subtract>,
       kMaybe,
       "Difference; with one operand, the negative."},
      {"-", {kF, kF}, kF, kFloatPair<Subtract>, kAlways, ""},
      {"-", {kI}, kI, partial_kernel<Negate, int64_t, int64_t>, kMaybe, ""},
      {"-", {kF}, kF, kFloatOne<Negate>, kAlways, ""},
      {"*",
       {kI, kI},
       kI,
       kIntegerPair<Multiply>,
       kMaybe,
       "Product. An integer product beyond 64 bits is null."},
      {"*", {kF, kF}, kF, kFloatPair<Multiply>, kAlways, ""},
      {"/",
       {kF, kF},
       kF,
       kFloatPairMaybe<Divide>,
       kMaybe,
       "Quotient in float64, also of integers. Division by zero is null."},
      {"//",
       {kI, kI},
       kI,
       kIntegerPair<IntegerDivide>,
       kMaybe,
       "Integer quotient, cut towards zero. Division by zero is null."},
      {"%",
       {kI, kI},
       kI,
       kIntegerPair<Remainder>,
       kMaybe,
       "Remainder with the sign of the left side. By zero: null."},
      {"%", {kF, kF}, kF, kFloatPairMaybe<Remainder>, kMaybe, ""},
      {"zscore",
       {kF, kF, kF},
       kF,
       partial_kernel<ZScore, double, double, double, double>,
       kMaybe,
       "zscore(x, mean, stddev): (x - mean) / stddev; null when stddev is 0."},
      {"share",
       {kF, kF},
       kF,
       kFloatPairMaybe<Divide>,
       kMaybe,
       "share(x, total): x / total; null when total is 0."},
      {"abs",
       {kI},
       kI,
       partial_kernel<Absolute, int64_t, int64_t>,
       kMaybe,
       "Value without its sign."},
      {"abs", {kF}, kF, kFloatOne<Absolute>, kAlways, ""},
      {"round",
       {kI},
       kI,
       map_kernel<Round, int64_t, int64_t>,
       kAlways,
       "Nearest whole number, halves away from zero; with `n`, at n decimal digits (negative: "
       "before the point)."},
      {"round", {kF}, kF, kFloatOne<Round>, kAlways, ""},
      {"round", {kI, kI}, kI, kIntegerPair<RoundTo>, kMaybe, ""},
      {"round", {kF, kI}, kF, map_kernel<RoundTo, double, double, int64_t>, kAlways, ""},
      {"floor", {kF}, kF, kFloatOne<Floor>, kAlways, "Largest whole number that is not greater."},
      {"ceil", {kF}, kF, kFloatOne<Ceil>, kAlways, "Smallest whole number that is not less."},
      {"sqrt", {kF}, kF, kFloatOneMaybe<SquareRoot>, kMaybe, "Square root; null below zero."},
      {"ln",
       {kF},
       kF,
       kFloatOneMaybe<NaturalLogarithm>,
       kMaybe,
       "Natural logarithm; null at zero and below."},
      {"log10",
       {kF},
       kF,
       kFloatOneMaybe<Logarithm10>,
       kMaybe,
       "Logarithm to base 10; null at zero and below."},
      {"exp", {kF}, kF, kFloatOne<Exponential>, kAlways, "e to the power x."},
      {"pow", {kF, kF}, kF, kFloatPair<Power>, kAlways, "x to the power y."},
      {"sign", {kI}, kI, map_kernel<Sign, int64_t, int64_t>, kAlways, "-1, 0 or 1; 0 for NaN."},
      {"sign", {kF}, kI, map_kernel<Sign, int64_t, double>, kAlways, ""},
      {"isnan", {kF}, kB, map_kernel<IsNan, uint8_t, double>, kAlways, "True for NaN."},
      {"isfinite",
       {kF},
       kB,
       map_kernel<IsFinite, uint8_t, double>,
       kAlways,
       "True for what is neither NaN nor infinite."},
  };
}

}  // namespace assay::data
