#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "gold/row_bytes.h"

namespace assay::gold {

/// The exact sum of any number of doubles, rounded once, when it is asked for.
///
/// Adding, subtracting and merging are exact, so any order and grouping gives the same bits, and
/// what was added can be taken out again. Nulls   none here. NaN and the infinities are counted
/// beside the sum: any NaN, or both infinities,
///         make the sum NaN until they are subtracted again.
/// Threads one thread at a time.
/// Cost    add: about 3 ns while magnitudes stay within 2^128 of each other; 300 bytes in memory.
/// Source  Kulisch, "Computer Arithmetic and Validity" (2008): the long accumulator;
/// docs/semantics.md
class ExactSum {
 public:
  ExactSum() = default;
  ExactSum(const ExactSum& other);
  ExactSum& operator=(const ExactSum& other);

  void add(double value) { add_signed(value, false); }
  void subtract(double value) { add_signed(value, true); }
  void merge(const ExactSum& other);
  /// Take out what `other` holds.
  void unmerge(const ExactSum& other);
  void clear();

  /// The sum, rounded to nearest, ties to even. An exact zero is +0.0; beyond the largest double it
  /// is an infinity; NaN has one bit pattern.
  [[nodiscard]] double round() const;

  /// Append the canonical bytes: equal sums have equal bytes.
  void encode(std::string* out) const;
  /// Read what encode() wrote; the reader fails on anything else.
  static ExactSum decode(RowReader* reader);
  /// Equal sums, equal counts of NaN and infinities.
  bool operator==(const ExactSum& other) const;

 private:
  // Bit 0 of limb 0 is 2^-1074. The largest double ends below bit 2098; 2^63 of them below bit
  // 2162.
  static constexpr int kLimbs = 36;
  static constexpr uint64_t kBytesMax = 34 * sizeof(uint64_t);

  void add_signed(double value, bool negate);
  void count_special(double value, bool negate);
  void cover(int begin, int end);
  void push(uint64_t limb);
  [[nodiscard]] bool is_negative() const { return begin_ != end_ && (limbs_[top()] >> 63) != 0; }
  [[nodiscard]] std::size_t top() const { return static_cast<std::size_t>(end_ - 1); }
  [[nodiscard]] uint64_t limb_or_sign(int index) const;

  // Two's complement in limbs [begin_, end_): below it is zero, above it is the sign.
  int begin_ = 0;
  int end_ = 0;
  int64_t nans_ = 0;
  int64_t positive_infinities_ = 0;
  int64_t negative_infinities_ = 0;
  std::array<uint64_t, kLimbs> limbs_;
};

}  // namespace assay::gold
