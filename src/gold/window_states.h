#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gold/kernel_inputs.h"

namespace assay::gold {

/// The states of one window that rows are added to and taken out of again: counts, exact sums of
/// values and of their powers, counts by value, registers and bins. All are exact, so their bits
/// are those of a fresh computation.
///
/// Threads one thread at a time. Cost O(1) an update of counts and sums, O(log) of the others.
class WindowStates {
 public:
  WindowStates(const WindowPlan& plan, const KernelInputs& inputs);
  void clear();
  void add(int64_t row);
  /// Take out a row that was added.
  void subtract(int64_t row);
  /// Value of an output that is had from these states; text as its rank.
  [[nodiscard]] Cell value_of(const WindowOutput& output) const;
  /// The values of top_k and top_k_counts, with their counts.
  [[nodiscard]] std::vector<ValueCounts<int64_t>::Ranked> top(const WindowOutput& output) const;
  /// The list of histogram.
  [[nodiscard]] std::vector<double> histogram(const WindowOutput& output) const;
  /// Append the array that is the sum or the mean of arrays; false when none was counted.
  [[nodiscard]] bool append_vector(const WindowOutput& output, std::string* out) const;

 private:
  void change_rich(int64_t row, bool subtract);
  [[nodiscard]] int64_t count_of(const WindowOutput& output) const;
  [[nodiscard]] Cell sum_of(const WindowOutput& output) const;
  [[nodiscard]] Cell mean_of(const WindowOutput& output) const;
  [[nodiscard]] Cell mode_of(const WindowOutput& output) const;
  [[nodiscard]] Moments moments_of(const WindowOutput& output) const;

  const WindowPlan& plan_;
  const KernelInputs& inputs_;
  bool is_rich_ = false;  // there is more than counts and sums
  std::vector<int64_t> counts_;
  std::vector<Int128> integers_;
  std::vector<ExactSum> floats_;
  std::vector<WideSum> powers_;
  std::vector<ValueCounts<int64_t>> value_counts_;
  std::vector<SlidingHyperLogLog> registers_;
  std::vector<DdSketch> bins_;
  std::vector<VectorSum> vectors_;
};

}  // namespace assay::gold
