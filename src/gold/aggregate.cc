#include "gold/aggregate.h"

#include <limits>

namespace assay::gold {
namespace {

__extension__ typedef unsigned __int128 Unsigned128;

// No sum of a table's rows reaches these; bytes that claim more are damaged.
constexpr uint64_t kCountMax = uint64_t{1} << 48;
constexpr uint64_t kSumHighMax = uint64_t{1} << 48;

Cell real_cell(double value) {
  // One NaN, so that equal answers have equal bits.
  return {
      std::bit_cast<uint64_t>(value != value ? std::numeric_limits<double>::quiet_NaN() : value),
      false};
}

}  // namespace

Cell sum_cell(Int128 sum, int64_t count) {
  if (count == 0 || sum > std::numeric_limits<int64_t>::max() ||
      sum < std::numeric_limits<int64_t>::min()) {
    return {};
  }
  return {static_cast<uint64_t>(static_cast<int64_t>(sum)), false};
}

Cell sum_cell(const ExactSum& sum, int64_t count) {
  return count == 0 ? Cell{} : real_cell(sum.round());
}

Cell mean_cell(Int128 sum, int64_t count) {
  return count == 0 ? Cell{} : real_cell(static_cast<double>(sum) / static_cast<double>(count));
}

Cell mean_cell(const ExactSum& sum, int64_t count) {
  return count == 0 ? Cell{} : real_cell(sum.round() / static_cast<double>(count));
}

Cell extreme_cell(data::Type type, int64_t order) {
  return is_real(type) ? real_cell(real_of_order(order))
                       : Cell{static_cast<uint64_t>(order), false};
}

data::Scalar scalar_of(data::Type type, Cell cell) {
  if (cell.is_null) {
    return data::Scalar::null(type);
  }
  if (is_real(type)) {
    return {type, std::bit_cast<double>(cell.bits)};
  }
  if (type == data::Type::kBool) {
    return {type, cell.bits != 0};
  }
  return {type, static_cast<int64_t>(cell.bits)};
}

InputValue input_value(const data::Column& column, int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  InputValue value;
  switch (column.type()) {
    case data::Type::kBool:
      value.integer = column.values<uint8_t>()[at] != 0 ? 1 : 0;
      break;
    case data::Type::kInt32:
    case data::Type::kDate:
      value.integer = column.values<int32_t>()[at];
      break;
    case data::Type::kInt64:
    case data::Type::kTimestamp:
      value.integer = column.values<int64_t>()[at];
      break;
    case data::Type::kFloat32:
      value.real = static_cast<double>(column.values<float>()[at]);
      value.integer = order_of(value.real);
      break;
    case data::Type::kFloat64:
      value.real = column.values<double>()[at];
      value.integer = order_of(value.real);
      break;
    case data::Type::kString:
    case data::Type::kBytes:
      value.text = column.text(row);
      break;
  }
  return value;
}

void append_input(std::string* out, data::Type type, const InputValue& value) {
  if (data::is_text(type)) {
    append_text(out, value.text);
  } else if (is_real(type)) {
    append_fixed64(out, std::bit_cast<uint64_t>(value.real));
  } else {
    append_signed(out, value.integer);
  }
}

InputValue read_input(RowReader* reader, data::Type type) {
  InputValue value;
  if (data::is_text(type)) {
    value.text = reader->text();
  } else if (is_real(type)) {
    value.real = std::bit_cast<double>(reader->fixed64());
    value.integer = order_of(value.real);
  } else {
    value.integer = reader->signed_varint();
  }
  return value;
}

void AggregateState::take_extreme(int64_t order, std::string_view text) {
  const bool wants_less = primitive_.kind == PrimitiveKind::kMin;
  if (data::is_text(primitive_.type)) {
    if (count_ == 0 || (wants_less ? text < text_ : text > text_)) {
      text_ = text;
    }
  } else if (count_ == 0 || (wants_less ? order < order_ : order > order_)) {
    order_ = order;
  }
  count_ = 1;
}

void AggregateState::add(const InputValue& value) {
  switch (primitive_.kind) {
    case PrimitiveKind::kCount:
      ++count_;
      break;
    case PrimitiveKind::kIntegerSum:
      integer_sum_ += value.integer;
      break;
    case PrimitiveKind::kFloatSum:
      float_sum_.add(value.real);
      break;
    case PrimitiveKind::kMin:
    case PrimitiveKind::kMax:
      take_extreme(value.integer, value.text);
      break;
  }
}

void AggregateState::merge_encoded(RowReader* reader) {
  switch (primitive_.kind) {
    case PrimitiveKind::kCount: {
      const uint64_t count = reader->varint();
      if (count > kCountMax) {
        reader->fail();
        return;
      }
      count_ += static_cast<int64_t>(count);
      break;
    }
    case PrimitiveKind::kIntegerSum: {
      const uint64_t low = reader->varint();
      const uint64_t high = reader->varint();
      if (high > kSumHighMax) {
        reader->fail();
        return;
      }
      const Unsigned128 zigzag = (static_cast<Unsigned128>(high) << 64) | low;
      integer_sum_ += static_cast<Int128>(zigzag >> 1) ^ -static_cast<Int128>(zigzag & 1);
      break;
    }
    case PrimitiveKind::kFloatSum:
      float_sum_.merge(ExactSum::decode(reader));
      break;
    case PrimitiveKind::kMin:
    case PrimitiveKind::kMax:
      if (reader->byte() != 0) {
        const InputValue value = read_input(reader, primitive_.type);
        if (!reader->failed()) {
          take_extreme(value.integer, value.text);
        }
      }
      break;
  }
}

void AggregateState::encode(std::string* out) const {
  switch (primitive_.kind) {
    case PrimitiveKind::kCount:
      append_varint(out, static_cast<uint64_t>(count_));
      break;
    case PrimitiveKind::kIntegerSum: {
      const auto zigzag = (static_cast<Unsigned128>(integer_sum_) << 1) ^
                          static_cast<Unsigned128>(integer_sum_ >> 127);
      append_varint(out, static_cast<uint64_t>(zigzag));
      append_varint(out, static_cast<uint64_t>(zigzag >> 64));
      break;
    }
    case PrimitiveKind::kFloatSum:
      float_sum_.encode(out);
      break;
    case PrimitiveKind::kMin:
    case PrimitiveKind::kMax:
      out->push_back(count_ != 0 ? 1 : 0);
      if (count_ != 0) {
        append_input(out,
                     primitive_.type,
                     {.integer = order_, .real = real_of_order(order_), .text = text_});
      }
      break;
  }
}

Cell AggregateState::sum(int64_t count) const {
  return primitive_.kind == PrimitiveKind::kFloatSum ? sum_cell(float_sum_, count)
                                                     : sum_cell(integer_sum_, count);
}

Cell AggregateState::mean(int64_t count) const {
  return primitive_.kind == PrimitiveKind::kFloatSum ? mean_cell(float_sum_, count)
                                                     : mean_cell(integer_sum_, count);
}

data::Scalar AggregateState::extreme() const {
  if (count_ == 0) {
    return data::Scalar::null(primitive_.type);
  }
  if (data::is_text(primitive_.type)) {
    return {primitive_.type, text_};
  }
  return scalar_of(primitive_.type, extreme_cell(primitive_.type, order_));
}

}  // namespace assay::gold
