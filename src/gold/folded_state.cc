#include "gold/folded_state.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace assay::gold {
namespace {

__extension__ typedef unsigned __int128 Unsigned128;

/// Call `use(row, value)` for the rows that count, the type decided once.
template <typename Use>
void for_counted(const ArgumentColumn& column, std::span<const RowPlace> rows, Use use) {
  const auto each = [&](auto value_of) {
    if (column.all_count) {
      for (const RowPlace& place : rows) {
        use(place.row, value_of(place.row));
      }
      return;
    }
    for (const RowPlace& place : rows) {
      if (column.counted[place.row] != 0) {
        use(place.row, value_of(place.row));
      }
    }
  };
  if (column.reals != nullptr) {
    each([reals = column.reals](std::size_t row) {
      return InputValue{.integer = order_of(reals[row]), .real = reals[row]};
    });
  } else if (column.integers != nullptr) {
    each([integers = column.integers](std::size_t row) {
      return InputValue{.integer = integers[row]};
    });
  } else if (column.values == nullptr) {
    each([](std::size_t) { return InputValue(); });
  } else {
    each([&](std::size_t row) { return input_value(*column.values, static_cast<int64_t>(row)); });
  }
}

}  // namespace

FoldedState::Form FoldedState::form_of(const Primitive& primitive) {
  switch (primitive.kind) {
    case PrimitiveKind::kCount:
      return Form::kCount;
    case PrimitiveKind::kIntegerSum:
      return Form::kIntegerSum;
    case PrimitiveKind::kFloatSum:
      return Form::kFloatSum;
    case PrimitiveKind::kMin:
    case PrimitiveKind::kMax:
      return data::is_text(primitive.type) ? Form::kGeneral : Form::kExtreme;
    default:
      return Form::kGeneral;
  }
}

FoldedState::FoldedState(const Primitive& primitive)
    : primitive_(primitive),
      fresh_form_(form_of(primitive)),
      form_(fresh_form_),
      is_min_(primitive.kind == PrimitiveKind::kMin),
      is_real_(is_real(primitive.type)) {
  clear();
}

void FoldedState::clear() {
  form_ = fresh_form_;
  has_value_ = false;
  whole_ = 0;
  sum_ = 0;
  reals_.clear();
  if (form_ == Form::kGeneral) {
    start_general();
  }
}

void FoldedState::start_general() {
  if (general_ == nullptr) {
    general_ = std::make_unique<AggregateState>(primitive_);
  } else {
    *general_ = AggregateState(primitive_);
  }
}

AggregateState& FoldedState::generalize() {
  if (form_ != Form::kGeneral) {
    ByteBuffer bytes;
    encode(&bytes);
    start_general();
    RowReader reader(bytes.view());
    general_->merge_encoded(&reader);
    form_ = Form::kGeneral;
  }
  return *general_;
}

void FoldedState::merge_encoded(RowReader* reader) {
  switch (form_) {
    case Form::kCount:
      whole_ += read_count(reader);
      return;
    case Form::kIntegerSum: {
      IntegerSumState sum{sum_};
      sum.merge_encoded(reader);
      sum_ = sum.sum;
      return;
    }
    case Form::kFloatSum:
      if (!reals_.merge_encoded(reader)) {
        generalize().merge_encoded(reader);
      }
      return;
    case Form::kExtreme:
      merge_extreme(reader);
      return;
    case Form::kGeneral:
      general_->merge_encoded(reader);
      return;
  }
}

void FoldedState::merge(const FoldedState& other) {
  if (form_ == other.form_ && form_ != Form::kGeneral &&
      (form_ != Form::kFloatSum || reals_.merge(other.reals_))) {
    if (form_ == Form::kCount) {
      whole_ += other.whole_;
    } else if (form_ == Form::kExtreme && other.has_value_) {
      take_order(other.whole_);
    }
    sum_ += other.sum_;
    return;
  }
  ByteBuffer bytes;
  other.encode(&bytes);
  RowReader reader(bytes.view());
  generalize().merge_encoded(&reader);
}

void FoldedState::merge_extreme(RowReader* reader) {
  if (reader->byte() != 0) {
    const int64_t order =
        is_real_ ? order_of(std::bit_cast<double>(reader->fixed64())) : reader->signed_varint();
    if (!reader->failed()) {
      take_order(order);
    }
  }
}

void FoldedState::take_order(int64_t order) {
  if (!has_value_ || (is_min_ ? order < whole_ : order > whole_)) {
    whole_ = order;
  }
  has_value_ = true;
}

void FoldedState::add_real(double value) {
  if (form_ != Form::kFloatSum || !reals_.add(value)) {
    generalize().add(InputValue{.real = value}, RowOrder());
  }
}

void FoldedState::add(const BatchInputs& inputs, std::span<const RowPlace> rows) {
  const ArgumentColumn& column = inputs.arguments[static_cast<std::size_t>(primitive_.argument)];
  switch (form_) {
    case Form::kCount:
      if (column.all_count) {
        whole_ += static_cast<int64_t>(rows.size());
      } else {
        whole_ += std::count_if(rows.begin(), rows.end(), [&](const RowPlace& place) {
          return column.counted[place.row] != 0;
        });
      }
      return;
    case Form::kIntegerSum:
      for_counted(
          column, rows, [&](std::size_t, const InputValue& value) { sum_ += value.integer; });
      return;
    case Form::kFloatSum:
      for_counted(
          column, rows, [&](std::size_t, const InputValue& value) { add_real(value.real); });
      return;
    case Form::kExtreme:
      for_counted(
          column, rows, [&](std::size_t, const InputValue& value) { take_order(value.integer); });
      return;
    case Form::kGeneral:
      general_->visit([&](auto& state) {
        for_counted(column, rows, [&](std::size_t row, const InputValue& value) {
          state.add(value, inputs.order_of_row(row));
        });
      });
      return;
  }
}

void FoldedState::add(const InputValue& value, const RowOrder& order) {
  switch (form_) {
    case Form::kCount:
      ++whole_;
      return;
    case Form::kIntegerSum:
      sum_ += value.integer;
      return;
    case Form::kFloatSum:
      add_real(value.real);
      return;
    case Form::kExtreme:
      take_order(value.integer);
      return;
    case Form::kGeneral:
      general_->add(value, order);
      return;
  }
}

double FoldedState::rounded_sum() const {
  return form_ == Form::kFloatSum ? reals_.round() : as<FloatSumState>().sum.round();
}

ExactSum FoldedState::exact_sum() const {
  if (form_ == Form::kGeneral) {
    return as<FloatSumState>().sum;
  }
  ByteBuffer bytes;
  encode(&bytes);
  RowReader reader(bytes.view());
  return ExactSum::decode(&reader);
}

void FoldedState::encode(ByteBuffer* out) const {
  constexpr std::size_t kNumberBytesMax = 2 * kVarintBytesMax;
  static_assert(kNumberBytesMax >= SmallSum::kBytesMax);
  char* to = out->room(kNumberBytesMax);
  switch (form_) {
    case Form::kCount:
      to = put_varint(to, static_cast<uint64_t>(whole_));
      break;
    case Form::kIntegerSum: {
      const auto zigzag =
          (static_cast<Unsigned128>(sum_) << 1) ^ static_cast<Unsigned128>(sum_ >> 127);
      to = put_varint(to, static_cast<uint64_t>(zigzag));
      to = put_varint(to, static_cast<uint64_t>(zigzag >> 64));
      break;
    }
    case Form::kFloatSum:
      to = reals_.encode(to);
      break;
    case Form::kExtreme:
      *to++ = has_value_ ? 1 : 0;
      if (has_value_ && is_real_) {
        const double value = real_of_order(whole_);
        std::memcpy(to, &value, sizeof(value));
        to += sizeof(value);
      } else if (has_value_) {
        to = put_varint(to, zigzag_of(whole_));
      }
      break;
    case Form::kGeneral: {
      std::string bytes;
      general_->encode(&bytes);
      out->append(bytes);
      return;
    }
  }
  out->end_at(to);
}

// What is done for every tile is one run of code each, without calls.

FoldedStates::FoldedStates(const WindowPlan& plan) {
  states_.reserve(plan.primitives.size());
  for (const Primitive& primitive : plan.primitives) {
    states_.emplace_back(primitive);
  }
}

[[gnu::flatten]] void FoldedStates::clear() {
  for (FoldedState& state : states_) {
    state.clear();
  }
}

[[gnu::flatten]] bool FoldedStates::merge(std::string_view bytes) {
  RowReader reader(bytes);
  for (FoldedState& state : states_) {
    state.merge_encoded(&reader);
  }
  return !reader.failed();
}

[[gnu::flatten]] void FoldedStates::merge(const FoldedStates& other) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    states_[i].merge(other.states_[i]);
  }
}

[[gnu::flatten]] void FoldedStates::add(const BatchInputs& inputs, std::span<const RowPlace> rows) {
  for (FoldedState& state : states_) {
    state.add(inputs, rows);
  }
}

[[gnu::flatten]] void FoldedStates::encode(ByteBuffer* out) const {
  for (const FoldedState& state : states_) {
    state.encode(out);
  }
}

}  // namespace assay::gold
