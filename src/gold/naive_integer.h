#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay::gold {

/// For tests: whole numbers of any size, digit by digit, the twin of BigInteger.
class NaiveInteger {
 public:
  NaiveInteger() = default;
  explicit NaiveInteger(int64_t value);
  /// The double in units of 2^-1074; finite.
  static NaiveInteger of(double value);

  [[nodiscard]] NaiveInteger operator+(const NaiveInteger& other) const;
  [[nodiscard]] NaiveInteger operator-(const NaiveInteger& other) const;
  [[nodiscard]] NaiveInteger operator*(const NaiveInteger& other) const;

  /// The number's 53 highest bits as an integer with its sign, rounded to nearest, ties to even,
  /// and the exponent that they stand at.
  struct Rounded {
    double fraction = 0;
    int64_t exponent = 0;
  };
  [[nodiscard]] Rounded round() const;

 private:
  void normalise();
  std::vector<int64_t> digits_;  // base 2^24, lowest first; all of one sign once normalised
};

}  // namespace assay::gold
