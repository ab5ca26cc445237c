#include "gold/kernel_inputs.h"

#include <algorithm>
#include <utility>

namespace assay::gold {
namespace {

constexpr uint64_t kNoSuchText = ~uint64_t{0};

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

void fill_text_ranks(const data::Column& column, ValueInput* input) {
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

/// Turns primitives into inputs, one after the other.
class InputBuilder {
 public:
  InputBuilder(const WindowPlan& plan, KernelInputs* inputs)
      : plan_(plan), inputs_(*inputs), of_argument_(plan.arguments.size() * 2, kNone) {}

  void add(const Primitive& primitive) {
    inputs_.values_slot.push_back(kNone);
    switch (primitive.kind) {
      case PrimitiveKind::kCount:
        append(&inputs_.counts, CountInput{counted(primitive)});
        break;
      case PrimitiveKind::kIntegerSum:
        append(&inputs_.integers, {counted(primitive), read_integers(argument(primitive))});
        break;
      case PrimitiveKind::kFloatSum:
        append(&inputs_.floats,
               {counted(primitive),
                read_values<double>(argument(primitive),
                                    [](const InputValue& value) { return value.real; })});
        break;
      case PrimitiveKind::kMin:
      case PrimitiveKind::kMax:
        append(&inputs_.extremes,
               {values_of(primitive, false), primitive.kind == PrimitiveKind::kMin});
        break;
      case PrimitiveKind::kFirst:
      case PrimitiveKind::kLast:
        append(&inputs_.ordered,
               {values_of(primitive, false),
                primitive.kind == PrimitiveKind::kFirst,
                primitive.limit});
        break;
      case PrimitiveKind::kValueCounts:
        append(&inputs_.value_counts, {values_of(primitive, true)});
        break;
      case PrimitiveKind::kSquares:
      case PrimitiveKind::kCubes:
        append(&inputs_.powers, {0, is_real(primitive.type), 0});  // see add_powers()
        break;
      case PrimitiveKind::kRegisters:
        append(&inputs_.registers,
               {counted(primitive), read_codes(primitive, [&](const InputValue& value) {
                  return static_cast<int32_t>(sketch_code_of(primitive.type, value));
                })});
        break;
      case PrimitiveKind::kBins:
        append(&inputs_.bins,
               {counted(primitive), read_codes(primitive, [&](const InputValue& value) {
                  return sketch_bin_of(primitive.type, value);
                })});
        break;
      case PrimitiveKind::kVectorSum:
        append(&inputs_.vectors,
               {counted(primitive),
                argument(primitive).values.get(),
                primitive.type,
                primitive.limit});
        break;
    }
  }

  /// Point each power sum to the sum of the same values, which every plan has beside it.
  void add_powers() {
    for (std::size_t i = 0; i < plan_.primitives.size(); ++i) {
      const Primitive& primitive = plan_.primitives[i];
      const bool squares = primitive.kind == PrimitiveKind::kSquares;
      if (!squares && primitive.kind != PrimitiveKind::kCubes) {
        continue;
      }
      const PrimitiveKind sum =
          is_real(primitive.type) ? PrimitiveKind::kFloatSum : PrimitiveKind::kIntegerSum;
      for (std::size_t j = 0; j < plan_.primitives.size(); ++j) {
        if (plan_.primitives[j].kind == sum && plan_.primitives[j].argument == primitive.argument) {
          inputs_.powers[inputs_.slot[i]].sum = inputs_.slot[j];
        }
      }
      inputs_.powers[inputs_.slot[i]].power = squares ? 2 : 3;
    }
  }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};

  [[nodiscard]] const ArgumentColumn& argument(const Primitive& primitive) const {
    return inputs_.arguments[at(primitive.argument)];
  }
  [[nodiscard]] const uint8_t* counted(const Primitive& primitive) const {
    return argument(primitive).counted.data();
  }
  template <typename Input>
  void append(std::vector<Input>* all, Input input) {
    inputs_.slot.push_back(all->size());
    all->push_back(std::move(input));
  }
  static std::vector<int64_t> read_integers(const ArgumentColumn& argument) {
    return read_values<int64_t>(argument, [](const InputValue& value) { return value.integer; });
  }
  template <typename Code>
  [[nodiscard]] std::vector<int32_t> read_codes(const Primitive& primitive, Code code) const {
    return read_values<int32_t>(argument(primitive), code);
  }

  /// Place of the argument's values; `equal`: equal values have one order.
  std::size_t values_of(const Primitive& primitive, bool equal) {
    const bool differ = equal && is_real(primitive.type);
    std::size_t& place = of_argument_[at(primitive.argument) * 2 + (differ ? 1 : 0)];
    if (place == kNone) {
      ValueInput input;
      input.counted = counted(primitive);
      if (data::is_text(primitive.type)) {
        fill_text_ranks(*argument(primitive).values, &input);
      } else {
        input.order = read_integers(argument(primitive));
      }
      for (int64_t& order : input.order) {
        order = differ ? order_of_equal(primitive.type, order) : order;
      }
      place = inputs_.values.size();
      inputs_.values.push_back(std::move(input));
    }
    inputs_.values_slot.back() = place;
    return place;
  }

  const WindowPlan& plan_;
  KernelInputs& inputs_;
  std::vector<std::size_t> of_argument_;  // place in inputs_.values, as they are and made equal
};

}  // namespace

Result<KernelInputs> make_kernel_inputs(const WindowPlan& plan,
                                        const data::Batch& rows,
                                        const RowColumns& columns) {
  KernelInputs inputs;
  inputs.event_time = columns.event_time->values<int64_t>().data();
  inputs.known_time = columns.known_time->values<int64_t>().data();
  ASSAY_ASSIGN_OR_RETURN(inputs.arguments, evaluate_arguments(plan, rows));
  inputs.sequence = columns.sequence->values<int64_t>().data();
  inputs.replaced_time = columns.replaced_time.empty() ? nullptr : columns.replaced_time.data();
  InputBuilder builder(plan, &inputs);
  for (const Primitive& primitive : plan.primitives) {
    builder.add(primitive);
  }
  builder.add_powers();
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
  return {&inputs.values[inputs.values_slot[at(output.value)]].text_rows,
          inputs.arguments[at(primitive.argument)].values.get()};
}

}  // namespace assay::gold
