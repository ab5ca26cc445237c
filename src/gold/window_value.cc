#include "gold/window_value.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gold/row_value.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;

/// A value by its order or as text.
data::Scalar scalar_of_value(const data::Type& type, int64_t order, const std::string& text) {
  return data::is_text(type) ? data::Scalar{type, text}
                             : scalar_of(type, cell_of_order(type, order));
}

data::Scalar nested_of(const data::Type& type, std::string_view bytes) {
  RowReader reader(bytes);
  return read_row_value(&reader, type);
}

data::Scalar extreme_of(const data::Type& type, const FoldedState& state) {
  if (state.is_number_extreme()) {
    const std::optional<int64_t> order = state.extreme_order();
    return order ? scalar_of_value(type, *order, {}) : data::Scalar::null(type);
  }
  const auto& general = state.as<ExtremeState>();
  return general.has_value ? scalar_of_value(type, general.order, general.text)
                           : data::Scalar::null(type);
}

data::Scalar front_of(const data::Type& type, const OrderedValues& values) {
  if (values.entries().empty()) {
    return data::Scalar::null(type);
  }
  const OrderedValues::Entry& front = values.entries().front();
  if (type == data::TypeId::kArray) {
    return nested_of(type, front.text);
  }
  return scalar_of_value(type, front.integer, front.text);
}

data::Scalar mode_of(const data::Type& type, const ValueCountsState& state) {
  if (data::is_text(type)) {
    const auto mode = state.texts.top(1);
    return mode.empty() ? data::Scalar::null(type) : data::Scalar{type, mode.front().second};
  }
  const auto mode = state.numbers.top(1);
  return mode.empty() ? data::Scalar::null(type) : scalar_of_value(type, mode.front().second, {});
}

data::Scalar list_of(const data::Type& type, const std::vector<InputValue>& values) {
  std::string bytes;
  append_list_value(&bytes, type.element(), values);
  return nested_of(type, bytes);
}

data::Scalar last_of(const data::Type& type, const OrderedValues& values) {
  std::vector<InputValue> list;
  for (const OrderedValues::Entry& entry : values.entries()) {
    list.push_back(input_of_order(type.element(), entry.integer, entry.text));
  }
  return list_of(type, list);
}

data::Scalar top_of(const WindowOutput& output, const ValueCountsState& state) {
  const bool counts = output.aggregate == Aggregate::kTopKCounts;
  const auto texts = state.texts.top(output.k);  // one of the two is empty
  std::vector<InputValue> list;
  for (const auto& [count, text] : texts) {
    list.push_back(counts ? InputValue{.integer = -count} : InputValue{.text = text});
  }
  for (const auto& [count, order] : state.numbers.top(output.k)) {
    list.push_back(counts ? InputValue{.integer = -count}
                          : input_of_order(output.type.element(), order, {}));
  }
  return list_of(output.type, list);
}

data::Scalar histogram_of(const data::Type& type, const DdSketch& sketch) {
  std::vector<InputValue> list;
  for (const double number : sketch.values_and_counts()) {
    list.push_back({.real = number});
  }
  return list_of(type, list);
}

Moments moments_of(const WindowOutput& output, int64_t count, const FoldedStates& states) {
  const FoldedState& sum = states[output.value];
  Moments moments = sum.is_real_sum() ? moments_from(count, sum.exact_sum())
                                      : moments_from(count, sum.integer_sum());
  moments.squares = BigInteger::of(states[output.squares].as<PowerSumState>().sum);
  if (output.aggregate == Aggregate::kSkewness) {
    moments.cubes = BigInteger::of(states[output.cubes].as<PowerSumState>().sum);
  }
  return moments;
}

/// The sum or the mean of arrays.
data::Scalar vector_of(const WindowOutput& output, const FoldedStates& states) {
  if (states[output.count].count() == 0) {
    return data::Scalar::null(output.type);
  }
  const auto& sums = states[output.value].as<VectorSum>();
  std::string bytes;
  if (output.aggregate == Aggregate::kMean) {
    sums.append_means(&bytes);
  } else {
    sums.append_sums(&bytes);
  }
  return nested_of(output.type, bytes);
}

/// Of the aggregates that are made from sums and counts.
Cell cell_of_sums(const WindowOutput& output, const FoldedStates& states) {
  const int64_t count = states[output.count].count();
  const FoldedState& sum = states[output.value];
  switch (output.aggregate) {
    case Aggregate::kSum:
      return sum.is_real_sum() ? rounded_sum_cell(sum.rounded_sum(), count)
                               : sum_cell(sum.integer_sum(), count);
    case Aggregate::kMean:
      return sum.is_real_sum() ? rounded_mean_cell(sum.rounded_sum(), count)
                               : mean_cell(sum.integer_sum(), count);
    case Aggregate::kVariance:
      return variance_cell(moments_of(output, count, states));
    case Aggregate::kStddev:
      return stddev_cell(moments_of(output, count, states));
    case Aggregate::kSkewness:
      return skewness_cell(moments_of(output, count, states));
    case Aggregate::kAny:
      return any_cell(sum.integer_sum(), count);
    case Aggregate::kAll:
      return all_cell(sum.integer_sum(), count);
    default:
      return whole_cell(count);
  }
}

}  // namespace

data::Scalar value_of(const WindowOutput& output, const FoldedStates& states) {
  switch (output.aggregate) {
    case Aggregate::kCount:
    case Aggregate::kSum:
    case Aggregate::kMean:
    case Aggregate::kVariance:
    case Aggregate::kStddev:
    case Aggregate::kSkewness:
    case Aggregate::kAny:
    case Aggregate::kAll:
      return output.type == data::TypeId::kArray
                 ? vector_of(output, states)
                 : scalar_of(output.type, cell_of_sums(output, states));
    case Aggregate::kMin:
    case Aggregate::kMax:
      return extreme_of(output.type, states[output.value]);
    case Aggregate::kFirst:
    case Aggregate::kLast:
      return front_of(output.type, states[output.value].as<OrderedValues>());
    case Aggregate::kLastN:
      return last_of(output.type, states[output.value].as<OrderedValues>());
    case Aggregate::kTopK:
    case Aggregate::kTopKCounts:
      return top_of(output, states[output.value].as<ValueCountsState>());
    case Aggregate::kMode:
      return mode_of(output.type, states[output.value].as<ValueCountsState>());
    case Aggregate::kDistinct: {
      const auto& state = states[output.value].as<ValueCountsState>();
      return data::Scalar::int64(state.numbers.distinct() + state.texts.distinct());
    }
    case Aggregate::kApproxDistinct:
      return data::Scalar::int64(states[output.value].as<RegistersState>().registers.estimate());
    case Aggregate::kQuantile:
      return scalar_of(output.type,
                       quantile_cell(states[output.value].as<BinsState>().sketch, output.q));
    case Aggregate::kHistogram:
      return histogram_of(output.type, states[output.value].as<BinsState>().sketch);
  }
  return data::Scalar::null(output.type);
}

bool overflows(const WindowOutput& output, const FoldedStates& states) {
  return output.can_overflow && cell_of_sums(output, states).overflows();
}

}  // namespace assay::gold
