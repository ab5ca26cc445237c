#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "gold/view_layout.h"
#include "gold/window_plan.h"

namespace assay::gold {

/// One primitive's input, row by row, in the form the kernel adds up.
struct CountInput {
  const uint8_t* counted;
};
struct IntegerInput {
  const uint8_t* counted;
  std::vector<int64_t> values;
};
struct FloatInput {
  const uint8_t* counted;
  std::vector<double> values;
};
/// Values as integers whose order is that of the values. Equal values of one argument are shared.
struct ValueInput {
  const uint8_t* counted;
  std::vector<int64_t> order;      // ranks for text
  std::vector<int64_t> text_rows;  // for text: a row that holds the text of each rank
};
struct ExtremeInput {
  std::size_t values = 0;  // into KernelInputs::values
  bool is_min = false;
};
struct OrderedInput {
  std::size_t values = 0;
  bool is_first = false;
  int64_t limit = 1;
};
struct ValueCountsInput {
  std::size_t values = 0;
};
struct PowerInput {
  std::size_t sum = 0;  // into `floats` or `integers`: the same values
  bool is_real = false;
  int power = 2;
};
/// Codes of registers or bins.
struct CodeInput {
  const uint8_t* counted;
  std::vector<int32_t> codes;
};

/// Arrays as bytes; see vector_sum.h.
struct VectorInput {
  const uint8_t* counted;
  const data::Column* arrays;
  data::TypeId element;
  int64_t size;
};

/// Everything that the threads share: rows as plain arrays, primitives by kind.
struct KernelInputs {
  const int64_t* event_time = nullptr;
  const int64_t* known_time = nullptr;
  const int64_t* sequence = nullptr;
  const int64_t* replaced_time = nullptr;  // nullptr: no row ever is
  std::vector<ArgumentColumn> arguments;
  std::vector<CountInput> counts;
  std::vector<IntegerInput> integers;
  std::vector<FloatInput> floats;
  std::vector<ExtremeInput> extremes;
  std::vector<OrderedInput> ordered;
  std::vector<PowerInput> powers;
  std::vector<ValueCountsInput> value_counts;
  std::vector<CodeInput> registers;
  std::vector<CodeInput> bins;
  std::vector<VectorInput> vectors;
  std::vector<ValueInput> values;
  std::vector<std::size_t> slot;         // per primitive: its place in the list of its kind
  std::vector<std::size_t> values_slot;  // per primitive: its place in `values`, if it has one
};

/// Read them from source rows; `columns` are those of `rows` and must outlive the result.
Result<KernelInputs> make_kernel_inputs(const WindowPlan& plan,
                                        const data::Batch& rows,
                                        const RowColumns& columns);

/// The texts of one feature whose value is text: its cells hold ranks among them.
struct TextRanks {
  const std::vector<int64_t>* rows = nullptr;  // by rank: a row with that text
  const data::Column* column = nullptr;

  [[nodiscard]] std::string_view text(uint64_t rank) const {
    return column->text((*rows)[static_cast<std::size_t>(rank)]);
  }
  /// Rank of a text; of one that no row holds, a rank that nothing equals.
  [[nodiscard]] uint64_t rank(std::string_view text) const;
};
TextRanks texts_of(const WindowPlan& plan, const KernelInputs& inputs, const WindowOutput& output);

}  // namespace assay::gold
