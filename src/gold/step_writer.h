#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/batch.h"
#include "gold/kernel_inputs.h"
#include "gold/nested_values.h"
#include "gold/view_layout.h"

namespace assay::gold {

/// Collects the steps of one thread as columns. Steps go into a block that fits the cache, one
/// stretch a feature, and from there into the columns.
///
/// Threads one thread at a time.
class StepWriter {
 public:
  StepWriter(const WindowPlan& plan, const KernelInputs& inputs);
  /// The lists and arrays that cells stand for.
  [[nodiscard]] NestedValues& nested() { return nested_; }
  /// `cells`: one per output; text as its rank. Without an event time there is no answer from then
  /// on.
  void write(int64_t key_row,
             std::optional<int64_t> event_time,
             int64_t known_time,
             const std::vector<Cell>& cells);
  /// Everything written, as a steps table. `keys`: key columns that `key_row` counts in.
  Result<data::Batch> finish(const ViewLayout& layout, const std::vector<data::ColumnPtr>& keys);

 private:
  static constexpr std::size_t kBlockRows = 512;

  void flush();
  void flush_feature(std::size_t feature);
  void flush_nested(std::size_t feature);
  void flush_overflow(std::size_t feature, data::ColumnBuilder* overflows);

  const WindowPlan& plan_;
  const KernelInputs& inputs_;
  std::size_t rows_ = 0;          // in the block
  std::vector<uint64_t> bits_;    // feature by feature, kBlockRows each
  std::vector<uint8_t> is_null_;  // likewise
  NestedValues nested_;
  std::vector<int64_t> key_rows_;
  std::vector<int64_t> event_times_;
  std::vector<uint8_t> has_no_event_;  // empty while every step has one
  std::vector<int64_t> known_times_;
  std::vector<data::ColumnBuilder> features_;
  std::vector<data::ColumnBuilder> overflows_;  // of the outputs that can
};

}  // namespace assay::gold
