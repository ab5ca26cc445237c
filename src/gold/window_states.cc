#include "gold/window_states.h"

#include <algorithm>

namespace assay::gold {
namespace {

using catalog::Aggregate;

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

}  // namespace

WindowStates::WindowStates(const WindowPlan& plan, const KernelInputs& inputs)
    : plan_(plan),
      inputs_(inputs),
      counts_(inputs.counts.size()),
      integers_(inputs.integers.size()),
      floats_(inputs.floats.size()),
      powers_(inputs.powers.size()),
      registers_(inputs.registers.size()),
      bins_(inputs.bins.size()) {
  using Ranking = ValueCounts<int64_t>::Ranking;
  std::vector<Ranking> rankings(inputs.value_counts.size(), Ranking::kOnDemand);
  for (const WindowOutput& output : plan.outputs) {
    if (output.aggregate == Aggregate::kMode || output.aggregate == Aggregate::kTopK ||
        output.aggregate == Aggregate::kTopKCounts) {
      rankings[inputs.slot[at(output.value)]] = Ranking::kKept;
    }
  }
  for (const Ranking ranking : rankings) {
    value_counts_.emplace_back(ranking);
  }
  for (const VectorInput& input : inputs.vectors) {
    vectors_.emplace_back(input.element, input.size);
  }
  is_rich_ = !powers_.empty() || !value_counts_.empty() || !registers_.empty() || !bins_.empty() ||
             !vectors_.empty();
}

void WindowStates::clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
  std::fill(integers_.begin(), integers_.end(), 0);
  const auto clear_all = [](auto* states) {
    for (auto& state : *states) {
      state.clear();
    }
  };
  clear_all(&floats_);
  clear_all(&powers_);
  clear_all(&value_counts_);
  clear_all(&registers_);
  clear_all(&bins_);
  clear_all(&vectors_);
}

void WindowStates::add(int64_t row) {
  const auto place = static_cast<std::size_t>(row);
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    counts_[i] += inputs_.counts[i].counted[row];
  }
  for (std::size_t i = 0; i < integers_.size(); ++i) {
    integers_[i] += inputs_.integers[i].values[place];  // zero when not counted
  }
  for (std::size_t i = 0; i < floats_.size(); ++i) {
    if (inputs_.floats[i].counted[row] != 0) {
      floats_[i].add(inputs_.floats[i].values[place]);
    }
  }
  if (is_rich_) {
    change_rich(row, false);
  }
}

void WindowStates::subtract(int64_t row) {
  const auto place = static_cast<std::size_t>(row);
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    counts_[i] -= inputs_.counts[i].counted[row];
  }
  for (std::size_t i = 0; i < integers_.size(); ++i) {
    integers_[i] -= inputs_.integers[i].values[place];
  }
  for (std::size_t i = 0; i < floats_.size(); ++i) {
    if (inputs_.floats[i].counted[row] != 0) {
      floats_[i].subtract(inputs_.floats[i].values[place]);
    }
  }
  if (is_rich_) {
    change_rich(row, true);
  }
}

void WindowStates::change_rich(int64_t row, bool subtract) {
  const auto place = static_cast<std::size_t>(row);
  for (std::size_t i = 0; i < powers_.size(); ++i) {
    const PowerInput& input = inputs_.powers[i];
    if (input.is_real) {
      const FloatInput& values = inputs_.floats[input.sum];
      if (values.counted[row] != 0) {
        add_power(values.values[place], input.power, subtract, &powers_[i]);
      }
    } else {  // zero when not counted
      add_power(inputs_.integers[input.sum].values[place], input.power, subtract, &powers_[i]);
    }
  }
  for (std::size_t i = 0; i < value_counts_.size(); ++i) {
    const ValueInput& values = inputs_.values[inputs_.value_counts[i].values];
    if (values.counted[row] != 0) {
      value_counts_[i].add(values.order[place], subtract ? -1 : 1);
    }
  }
  for (std::size_t i = 0; i < registers_.size(); ++i) {
    const CodeInput& input = inputs_.registers[i];
    if (input.counted[row] != 0) {
      const auto code = static_cast<uint32_t>(input.codes[place]);
      if (subtract) {
        registers_[i].subtract(code);
      } else {
        registers_[i].add(code);
      }
    }
  }
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    if (inputs_.bins[i].counted[row] != 0) {
      bins_[i].add(inputs_.bins[i].codes[place], subtract ? -1 : 1);
    }
  }
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    const VectorInput& input = inputs_.vectors[i];
    if (input.counted[row] != 0) {
      const InputValue array{.text = input.arrays->text(row)};
      if (subtract) {
        vectors_[i].subtract(array);
      } else {
        vectors_[i].add(array, {});
      }
    }
  }
}

bool WindowStates::append_vector(const WindowOutput& output, std::string* out) const {
  const VectorSum& sums = vectors_[inputs_.slot[at(output.value)]];
  if (count_of(output) == 0) {
    return false;
  }
  if (output.aggregate == Aggregate::kMean) {
    sums.append_means(out);
  } else {
    sums.append_sums(out);
  }
  return true;
}

Cell WindowStates::value_of(const WindowOutput& output) const {
  const std::size_t slot = inputs_.slot[at(output.value)];
  switch (output.aggregate) {
    case Aggregate::kCount:
      return whole_cell(counts_[slot]);
    case Aggregate::kSum:
      return sum_of(output);
    case Aggregate::kMean:
      return mean_of(output);
    case Aggregate::kVariance:
      return variance_cell(moments_of(output));
    case Aggregate::kStddev:
      return stddev_cell(moments_of(output));
    case Aggregate::kSkewness:
      return skewness_cell(moments_of(output));
    case Aggregate::kMode:
      return mode_of(output);
    case Aggregate::kDistinct:
      return whole_cell(value_counts_[slot].distinct());
    case Aggregate::kApproxDistinct:
      return whole_cell(registers_[slot].estimate());
    case Aggregate::kQuantile:
      return quantile_cell(bins_[slot], output.q);
    case Aggregate::kAny:
      return any_cell(integers_[slot], count_of(output));
    case Aggregate::kAll:
      return all_cell(integers_[slot], count_of(output));
    case Aggregate::kMin:
    case Aggregate::kMax:
    case Aggregate::kFirst:
    case Aggregate::kLast:
    case Aggregate::kLastN:
      break;  // one structure for all windows: window_kernel.cc
    case Aggregate::kTopK:
    case Aggregate::kTopKCounts:
    case Aggregate::kHistogram:
      break;  // lists: top(), histogram()
  }
  return {};
}

int64_t WindowStates::count_of(const WindowOutput& output) const {
  return counts_[inputs_.slot[at(output.count)]];
}

Cell WindowStates::sum_of(const WindowOutput& output) const {
  const std::size_t slot = inputs_.slot[at(output.value)];
  return plan_.primitives[at(output.value)].kind == PrimitiveKind::kFloatSum
             ? sum_cell(floats_[slot], count_of(output))
             : sum_cell(integers_[slot], count_of(output));
}

Cell WindowStates::mean_of(const WindowOutput& output) const {
  const std::size_t slot = inputs_.slot[at(output.value)];
  return plan_.primitives[at(output.value)].kind == PrimitiveKind::kFloatSum
             ? mean_cell(floats_[slot], count_of(output))
             : mean_cell(integers_[slot], count_of(output));
}

std::vector<ValueCounts<int64_t>::Ranked> WindowStates::top(const WindowOutput& output) const {
  return value_counts_[inputs_.slot[at(output.value)]].top(output.k);
}

std::vector<double> WindowStates::histogram(const WindowOutput& output) const {
  return bins_[inputs_.slot[at(output.value)]].values_and_counts();
}

Cell WindowStates::mode_of(const WindowOutput& output) const {
  const auto mode = value_counts_[inputs_.slot[at(output.value)]].top(1);
  return mode.empty() ? Cell{} : cell_of_order(output.type, mode.front().second);
}

Moments WindowStates::moments_of(const WindowOutput& output) const {
  const std::size_t slot = inputs_.slot[at(output.value)];
  Moments moments = plan_.primitives[at(output.value)].kind == PrimitiveKind::kFloatSum
                        ? moments_from(count_of(output), floats_[slot])
                        : moments_from(count_of(output), integers_[slot]);
  moments.squares = BigInteger::of(powers_[inputs_.slot[at(output.squares)]]);
  if (output.aggregate == Aggregate::kSkewness) {
    moments.cubes = BigInteger::of(powers_[inputs_.slot[at(output.cubes)]]);
  }
  return moments;
}

}  // namespace assay::gold
