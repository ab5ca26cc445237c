#pragma once

#include <array>
#include <cstdint>

#include "gold/long_sum.h"

namespace assay::gold {

__extension__ typedef __int128 Int128;

/// A double with any exponent: fraction * 2^exponent, where |fraction| is 0 or in [2^52, 2^53].
struct ScaledReal {
  double fraction = 0;
  int64_t exponent = 0;
};

/// Whole numbers of up to 7,000 bits, for a few exact products and differences.
///
/// Sign and magnitude: limbs of 64 bits, lowest first, with `offset` zero limbs below them.
/// Threads one thread at a time.
class BigInteger {
 public:
  BigInteger() = default;
  BigInteger(const BigInteger& other) { *this = other; }
  BigInteger& operator=(const BigInteger& other);

  static BigInteger of(Int128 value);
  template <int kLimbs>
  static BigInteger of(const LongSum<kLimbs>& sum) {
    BigInteger result;
    result.negative_ = sum.is_negative();
    result.offset_ = sum.begin();
    bool carry = result.negative_;
    for (int i = sum.begin(); i < sum.end(); ++i) {
      uint64_t limb = sum.limb(i);
      if (result.negative_) {
        limb = ~limb + (carry ? 1 : 0);
        carry = carry && limb == 0;
      }
      result.limbs_[at(result.size_++)] = limb;
    }
    result.trim();
    return result;
  }

  [[nodiscard]] bool is_zero() const { return size_ == 0; }
  [[nodiscard]] bool is_negative() const { return negative_; }
  [[nodiscard]] BigInteger times(const BigInteger& other) const;
  [[nodiscard]] BigInteger plus(const BigInteger& other) const;
  [[nodiscard]] BigInteger minus(const BigInteger& other) const;
  /// Rounded to 53 bits, to nearest, ties to even.
  [[nodiscard]] ScaledReal round() const;

 private:
  static constexpr int kCapacity = 112;
  static constexpr std::size_t at(int index) { return static_cast<std::size_t>(index); }

  void trim();
  [[nodiscard]] int end() const { return offset_ + size_; }
  /// The limb that stands at 2^(64 * place).
  [[nodiscard]] uint64_t limb_at(int place) const {
    return place < offset_ || place >= end() ? 0 : limbs_[at(place - offset_)];
  }
  [[nodiscard]] int compare_magnitude(const BigInteger& other) const;
  [[nodiscard]] BigInteger add_magnitude(const BigInteger& other) const;
  /// `other` is not larger.
  [[nodiscard]] BigInteger subtract_magnitude(const BigInteger& other) const;

  bool negative_ = false;
  int offset_ = 0;
  int size_ = 0;
  std::array<uint64_t, kCapacity> limbs_;
};

}  // namespace assay::gold
