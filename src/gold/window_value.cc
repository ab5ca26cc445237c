#include "gold/window_value.h"

#include <string>
#include <string_view>

#include "gold/row_value.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;

template <typename State>
const State& state_at(const std::vector<AggregateState>& states, int index) {
  return *states[static_cast<std::size_t>(index)].as<State>();
}

/// A value by its order or as text.
data::Scalar scalar_of_value(const data::Type& type, int64_t order, const std::string& text) {
  return data::is_text(type) ? data::Scalar{type, text}
                             : scalar_of(type, cell_of_order(type, order));
}

data::Scalar nested_of(const data::Type& type, std::string_view bytes) {
  RowReader reader(bytes);
  return read_row_value(&reader, type);
}

data::Scalar extreme_of(const data::Type& type, const ExtremeState& state) {
  return state.has_value ? scalar_of_value(type, state.order, state.text)
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

Moments moments_of(const WindowOutput& output,
                   int64_t count,
                   const std::vector<AggregateState>& states) {
  const auto* real = states[static_cast<std::size_t>(output.value)].as<FloatSumState>();
  Moments moments = real != nullptr
                        ? moments_from(count, real->sum)
                        : moments_from(count, state_at<IntegerSumState>(states, output.value).sum);
  moments.squares = BigInteger::of(state_at<PowerSumState>(states, output.squares).sum);
  if (output.aggregate == Aggregate::kSkewness) {
    moments.cubes = BigInteger::of(state_at<PowerSumState>(states, output.cubes).sum);
  }
  return moments;
}

/// The sum or the mean of arrays.
data::Scalar vector_of(const WindowOutput& output, const std::vector<AggregateState>& states) {
  if (state_at<CountState>(states, output.count).count == 0) {
    return data::Scalar::null(output.type);
  }
  const auto& sums = state_at<VectorSum>(states, output.value);
  std::string bytes;
  if (output.aggregate == Aggregate::kMean) {
    sums.append_means(&bytes);
  } else {
    sums.append_sums(&bytes);
  }
  return nested_of(output.type, bytes);
}

/// Of the aggregates that are made from sums and counts.
Cell cell_of_sums(const WindowOutput& output, const std::vector<AggregateState>& states) {
  const int64_t count = state_at<CountState>(states, output.count).count;
  const auto* real = states[static_cast<std::size_t>(output.value)].as<FloatSumState>();
  const auto* whole = states[static_cast<std::size_t>(output.value)].as<IntegerSumState>();
  switch (output.aggregate) {
    case Aggregate::kSum:
      return real != nullptr ? sum_cell(real->sum, count) : sum_cell(whole->sum, count);
    case Aggregate::kMean:
      return real != nullptr ? mean_cell(real->sum, count) : mean_cell(whole->sum, count);
    case Aggregate::kVariance:
      return variance_cell(moments_of(output, count, states));
    case Aggregate::kStddev:
      return stddev_cell(moments_of(output, count, states));
    case Aggregate::kSkewness:
      return skewness_cell(moments_of(output, count, states));
    case Aggregate::kAny:
      return any_cell(whole->sum, count);
    case Aggregate::kAll:
      return all_cell(whole->sum, count);
    default:
      return whole_cell(count);
  }
}

}  // namespace

data::Scalar value_of(const WindowOutput& output, const std::vector<AggregateState>& states) {
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
      return extreme_of(output.type, state_at<ExtremeState>(states, output.value));
    case Aggregate::kFirst:
    case Aggregate::kLast:
      return front_of(output.type, state_at<OrderedValues>(states, output.value));
    case Aggregate::kLastN:
      return last_of(output.type, state_at<OrderedValues>(states, output.value));
    case Aggregate::kTopK:
    case Aggregate::kTopKCounts:
      return top_of(output, state_at<ValueCountsState>(states, output.value));
    case Aggregate::kMode:
      return mode_of(output.type, state_at<ValueCountsState>(states, output.value));
    case Aggregate::kDistinct: {
      const auto& state = state_at<ValueCountsState>(states, output.value);
      return data::Scalar::int64(state.numbers.distinct() + state.texts.distinct());
    }
    case Aggregate::kApproxDistinct:
      return data::Scalar::int64(
          state_at<RegistersState>(states, output.value).registers.estimate());
    case Aggregate::kQuantile:
      return scalar_of(output.type,
                       quantile_cell(state_at<BinsState>(states, output.value).sketch, output.q));
    case Aggregate::kHistogram:
      return histogram_of(output.type, state_at<BinsState>(states, output.value).sketch);
  }
  return data::Scalar::null(output.type);
}

bool overflows(const WindowOutput& output, const std::vector<AggregateState>& states) {
  return output.can_overflow && cell_of_sums(output, states).overflows();
}

}  // namespace assay::gold
