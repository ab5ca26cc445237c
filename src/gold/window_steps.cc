// WindowView::steps: source rows become the kernel's inputs, the kernel's steps a steps table.

#include <bit>
#include <optional>
#include <string>
#include <utility>

#include "gold/entity_rows.h"
#include "gold/kernel_inputs.h"
#include "gold/nested_values.h"
#include "gold/row_value.h"
#include "gold/step_writer.h"
#include "gold/window_kernel.h"
#include "gold/window_view.h"

namespace assay::gold {
namespace {

/// Reads seed rows as the kernel takes them.
class Seeds {
 public:
  static Result<Seeds> find(const ViewLayout& layout,
                            const WindowPlan& plan,
                            const KernelInputs& inputs,
                            const data::Batch& seed) {
    Seeds seeds(plan, inputs);
    if (seed.rows() == 0) {
      return seeds;
    }
    ASSAY_ASSIGN_OR_RETURN(seeds.columns_, columns_as(layout.raw->fields(), seed));
    for (std::size_t i = 0; i < plan.outputs.size(); ++i) {
      seeds.overflows_.emplace_back();
      if (plan.outputs[i].can_overflow) {
        const std::string name = overflow_column(layout.raw->field(static_cast<int>(i)).name);
        ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> column,
                               columns_as({{name, data::Type::kBool, false}}, seed));
        seeds.overflows_.back() = column.front();
      }
    }
    const data::Field time{kEventTime, data::Type::kTimestamp, false};
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> times, columns_as({time}, seed));
    seeds.event_time_ = times.front();
    return seeds;
  }

  /// `nested`: gets the lists and arrays of the seed.
  [[nodiscard]] std::optional<WindowKernel::Seed> row(int64_t row, NestedValues* nested) const {
    if (row < 0) {
      return std::nullopt;
    }
    WindowKernel::Seed seed;
    if (event_time_->is_valid(row)) {
      seed.event_time = event_time_->values<int64_t>()[static_cast<std::size_t>(row)];
    }
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const bool overflows = overflows_[i] != nullptr &&
                             overflows_[i]->values<uint8_t>()[static_cast<std::size_t>(row)] != 0;
      seed.cells.push_back(overflows ? Cell::overflow()
                                     : cell(*columns_[i], row, plan_->outputs[i], nested));
    }
    return seed;
  }

 private:
  Seeds(const WindowPlan& plan, const KernelInputs& inputs) : plan_(&plan), inputs_(&inputs) {}

  [[nodiscard]] Cell cell(const data::Column& column,
                          int64_t row,
                          const WindowOutput& output,
                          NestedValues* nested) const {
    if (column.is_null(row)) {
      return {};
    }
    if (data::is_nested(column.type())) {
      std::string bytes;
      append_row_value(&bytes, column, row);
      return nested->cell_of(bytes);
    }
    const InputValue value = input_value(column, row);
    if (data::is_text(column.type())) {
      return {texts_of(*plan_, *inputs_, output).rank(value.text), false};
    }
    return {is_real(column.type()) ? std::bit_cast<uint64_t>(value.real)
                                   : static_cast<uint64_t>(value.integer),
            false};
  }

  const WindowPlan* plan_;
  const KernelInputs* inputs_;
  std::vector<data::ColumnPtr> columns_;
  std::vector<data::ColumnPtr> overflows_;  // nullptr for what cannot
  data::ColumnPtr event_time_;
};

}  // namespace

Result<data::Batch> WindowView::steps(const data::Batch& rows,
                                      const data::Batch& seed,
                                      EventTime begin,
                                      EventTime end,
                                      int threads) const {
  ASSAY_ASSIGN_OR_RETURN(const RowColumns columns, find_row_columns(layout(), rows));
  ASSAY_ASSIGN_OR_RETURN(const EntityRows entities, group_by_entity(layout(), rows, columns, seed));
  ASSAY_ASSIGN_OR_RETURN(const KernelInputs inputs, make_kernel_inputs(plan_, rows, columns));
  ASSAY_ASSIGN_OR_RETURN(const Seeds seeds, Seeds::find(layout(), plan_, inputs, seed));

  std::vector<std::optional<Result<data::Batch>>> chunks(chunk_count_max(threads));
  for_entity_ranges(entities, threads, [&](std::size_t first, std::size_t last, std::size_t chunk) {
    StepWriter writer(plan_, inputs);
    WindowKernel kernel(plan_, inputs, layout().slide.micros, begin, end, &writer);
    for (std::size_t i = first; i < last; ++i) {
      kernel.run(
          entities, entities.entities[i], seeds.row(entities.entities[i].seed, &writer.nested()));
    }
    chunks[chunk] = writer.finish(layout(), entities.keys);
  });

  std::vector<data::Batch> parts;
  for (std::optional<Result<data::Batch>>& chunk : chunks) {
    if (!chunk) {
      continue;
    }
    if (!chunk->ok()) {
      return std::move(*chunk).status();
    }
    parts.push_back(std::move(*chunk).value());
  }
  return parts.size() == 1 ? Result<data::Batch>(std::move(parts.front()))
                           : data::concat(layout().steps_schema, parts);
}

}  // namespace assay::gold
