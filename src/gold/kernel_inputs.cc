#include "gold/kernel_inputs.h"

#include <algorithm>
#include <utility>

namespace assay::gold {
namespace {

constexpr uint64_t kNoSuchText = ~uint64_t{0};

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

void fill_text_ranks(const data::Column& column, ExtremeInput* input) {
  std::vector<int64_t>& rows = input->text_rows;
  for (int64_t row = 0; row < column.size(); ++row) {
    if (input->counted[row] != 0) {
      rows.push_back(row);
    }
  }
  const auto less = [&](int64_t a, int64_t b) { return column.text(a) < column.text(b); };
  std::sort(rows.begin(), rows.end(), less);
  const auto same = [&](int64_t a, int64_t b) { return column.text(a) == column.text(b); };
  rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  input->order.resize(static_cast<std::size_t>(column.size()));
  for (int64_t row = 0; row < column.size(); ++row) {
    if (input->counted[row] != 0) {
      const auto place = std::lower_bound(rows.begin(), rows.end(), row, less);
      input->order[static_cast<std::size_t>(row)] = place - rows.begin();
    }
  }
}

template <typename T, typename Get>
std::vector<T> read_values(const ArgumentColumn& argument, Get get) {
  std::vector<T> values(argument.counted.size());
  for (std::size_t row = 0; row < values.size(); ++row) {
    if (argument.counted[row] != 0) {
      values[row] = get(input_value(*argument.values, static_cast<int64_t>(row)));
    }
  }
  return values;
}

void add_primitive(const Primitive& primitive, KernelInputs* inputs) {
  const ArgumentColumn& argument = inputs->arguments[at(primitive.argument)];
  const uint8_t* counted = argument.counted.data();
  switch (primitive.kind) {
    case PrimitiveKind::kCount:
      inputs->slot.push_back(inputs->counts.size());
      inputs->counts.push_back({counted});
      break;
    case PrimitiveKind::kIntegerSum:
      inputs->slot.push_back(inputs->integers.size());
      inputs->integers.push_back(
          {counted,
           read_values<int64_t>(argument, [](const InputValue& value) { return value.integer; })});
      break;
    case PrimitiveKind::kFloatSum:
      inputs->slot.push_back(inputs->floats.size());
      inputs->floats.push_back({counted, read_values<double>(argument, [](const InputValue& value) {
                                  return value.real;
                                })});
      break;
    case PrimitiveKind::kMin:
    case PrimitiveKind::kMax: {
      inputs->slot.push_back(inputs->extremes.size());
      ExtremeInput input;
      input.counted = counted;
      input.is_min = primitive.kind == PrimitiveKind::kMin;
      if (data::is_text(primitive.type)) {
        fill_text_ranks(*argument.values, &input);
      } else {
        input.order =
            read_values<int64_t>(argument, [](const InputValue& value) { return value.integer; });
      }
      inputs->extremes.push_back(std::move(input));
      break;
    }
  }
}

}  // namespace

Result<KernelInputs> make_kernel_inputs(const WindowPlan& plan,
                                        const data::Batch& rows,
                                        const RowColumns& columns) {
  KernelInputs inputs;
  inputs.event_time = columns.event_time->values<int64_t>().data();
  inputs.known_time = columns.known_time->values<int64_t>().data();
  ASSAY_ASSIGN_OR_RETURN(inputs.arguments, evaluate_arguments(plan, rows));
  for (const Primitive& primitive : plan.primitives) {
    add_primitive(primitive, &inputs);
  }
  return inputs;
}

uint64_t TextRanks::rank(std::string_view text) const {
  const auto found = std::partition_point(
      rows->begin(), rows->end(), [&](int64_t row) { return column->text(row) < text; });
  const bool known = found != rows->end() && column->text(*found) == text;
  return known ? static_cast<uint64_t>(found - rows->begin()) : kNoSuchText;
}

TextRanks texts_of(const WindowPlan& plan, const KernelInputs& inputs, const WindowOutput& output) {
  const Primitive& primitive = plan.primitives[at(output.value)];
  return {&inputs.extremes[inputs.slot[at(output.value)]].text_rows,
          inputs.arguments[at(primitive.argument)].values.get()};
}

}  // namespace assay::gold
