#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gold/row_bytes.h"

namespace assay::gold {

/// Bin of a value, in value order: -inf < negative < 0 < positive < inf < NaN. -0.0 is 0.0.
int32_t sketch_bin(double value);
/// The value that a bin stands for: its end nearer to zero.
double sketch_value(int32_t bin);

/// Counts of values by bins whose width grows with the value: quantiles within a relative error.
///
/// Bins merge and part by addition, so any order and grouping gives the same counts. Within one
/// power of two there are 128 bins of equal width, so a quantile lies at most 1/128 = 0.78 % below
/// (nearer to zero than) the exact one, and whole numbers up to 256 are exact. Below 2^-1022 the
/// error is at most 2^-1029, absolute. Threads one thread at a time.
/// Cost    an update O(log powers of two in use); a quantile O(powers of two in use); 1 KiB each.
/// Source  Masson, Rim, Lee, "DDSketch" (VLDB 2019), with the linearly interpolated mapping, which
/// needs no logarithm and so has the same bits on every machine.
class DdSketch {
 public:
  void add(int32_t bin, int64_t count);
  void clear() {
    blocks_.clear();
    count_ = 0;
  }
  [[nodiscard]] int64_t count() const { return count_; }
  /// The smallest value with at least the share `q` of all values at or below it; not of nothing.
  [[nodiscard]] double quantile(double q) const;
  /// The bins in use by their values, ascending, each followed by its count.
  [[nodiscard]] std::vector<double> values_and_counts() const;

  void encode(std::string* out) const;
  /// Merge the sketch whose bytes come next. The reader fails when they are none.
  void merge_encoded(RowReader* reader);

 private:
  static constexpr int kBlockBins = 128;  // the bins of one power of two
  struct Block {
    int64_t count = 0;
    std::array<int64_t, kBlockBins> bins{};
  };
  std::map<int32_t, Block> blocks_;
  int64_t count_ = 0;
};

}  // namespace assay::gold
