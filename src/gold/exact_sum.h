#pragma once

#include <cstdint>
#include <string>

#include "gold/long_sum.h"
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
  void add(double value) { add_signed(value, false); }
  void subtract(double value) { add_signed(value, true); }
  void merge(const ExactSum& other);
  /// Take out what `other` holds.
  void unmerge(const ExactSum& other);
  void clear();

  /// The sum, rounded to nearest, ties to even. An exact zero is +0.0; beyond the largest double it
  /// is an infinity; NaN has one bit pattern.
  [[nodiscard]] double round() const;

  /// True when no NaN and no infinity is in it.
  [[nodiscard]] bool is_finite() const {
    return nans_ == 0 && positive_infinities_ == 0 && negative_infinities_ == 0;
  }
  /// The finite part, in units of 2^-1074.
  [[nodiscard]] const LongSum<36>& finite_part() const { return limbs_; }

  /// Append the canonical bytes: equal sums have equal bytes.
  void encode(std::string* out) const;
  /// Read what encode() wrote; the reader fails on anything else.
  static ExactSum decode(RowReader* reader);
  /// Merge what encode() wrote; the reader fails on anything else.
  void merge_encoded(RowReader* reader);
  /// Equal sums, equal counts of NaN and infinities.
  bool operator==(const ExactSum& other) const;

 private:
  // Bit 0 of limb 0 is 2^-1074. The largest double ends below bit 2098; 2^63 of them below bit
  // 2162.
  using Limbs = LongSum<36>;

  void add_signed(double value, bool negate);
  void count_special(double value, bool negate);

  Limbs limbs_;
  int64_t nans_ = 0;
  int64_t positive_infinities_ = 0;
  int64_t negative_infinities_ = 0;
};

}  // namespace assay::gold
