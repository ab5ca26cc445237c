#include "gold/aggregate.h"

#include <bit>
#include <cstring>
#include <limits>

#include "base/hash.h"

namespace assay::gold {
namespace {

__extension__ typedef unsigned __int128 Unsigned128;

// No sum of a table's rows reaches these; bytes that claim more are damaged.
constexpr uint64_t kCountMax = uint64_t{1} << 48;
constexpr uint64_t kSumHighMax = uint64_t{1} << 48;

std::variant<CountState,
             IntegerSumState,
             FloatSumState,
             ExtremeState,
             PowerSumState,
             OrderedValues,
             ValueCountsState,
             RegistersState,
             BinsState,
             VectorSum>
fresh_state(const Primitive& primitive) {
  const data::TypeId type = primitive.type;
  switch (primitive.kind) {
    case PrimitiveKind::kCount:
      return CountState{};
    case PrimitiveKind::kIntegerSum:
      return IntegerSumState{};
    case PrimitiveKind::kFloatSum:
      return FloatSumState{};
    case PrimitiveKind::kMin:
    case PrimitiveKind::kMax:
      return ExtremeState{type, primitive.kind == PrimitiveKind::kMin};
    case PrimitiveKind::kSquares:
      return PowerSumState{type, 2};
    case PrimitiveKind::kCubes:
      return PowerSumState{type, 3};
    case PrimitiveKind::kFirst:
      return OrderedValues(OrderedValues::End::kFirst, primitive.limit, type);
    case PrimitiveKind::kLast:
      return OrderedValues(OrderedValues::End::kLast, primitive.limit, type);
    case PrimitiveKind::kValueCounts:
      return ValueCountsState{type};
    case PrimitiveKind::kRegisters:
      return RegistersState{type};
    case PrimitiveKind::kBins:
      return BinsState{type};
    case PrimitiveKind::kVectorSum:
      return VectorSum(type, primitive.limit);
  }
  return CountState{};
}

}  // namespace

int64_t read_count(RowReader* reader) {
  const uint64_t count = reader->varint();
  if (count > kCountMax) {
    reader->fail();
    return 0;
  }
  return static_cast<int64_t>(count);
}

Cell sum_cell(Int128 sum, int64_t count) {
  if (count == 0) {
    return {};
  }
  if (sum > std::numeric_limits<int64_t>::max() || sum < std::numeric_limits<int64_t>::min()) {
    return Cell::overflow();
  }
  return whole_cell(static_cast<int64_t>(sum));
}

Cell sum_cell(const ExactSum& sum, int64_t count) {
  return count == 0 ? Cell{} : rounded_sum_cell(sum.round(), count);
}

Cell rounded_sum_cell(double sum, int64_t count) {
  return count == 0 ? Cell{} : real_cell(sum);
}

Cell mean_cell(Int128 sum, int64_t count) {
  return count == 0 ? Cell{} : real_cell(static_cast<double>(sum) / static_cast<double>(count));
}

Cell mean_cell(const ExactSum& sum, int64_t count) {
  return count == 0 ? Cell{} : rounded_mean_cell(sum.round(), count);
}

Cell rounded_mean_cell(double sum, int64_t count) {
  return count == 0 ? Cell{} : real_cell(sum / static_cast<double>(count));
}

Cell any_cell(Int128 true_count, int64_t count) {
  return count == 0 ? Cell{} : whole_cell(true_count > 0 ? 1 : 0);
}

Cell all_cell(Int128 true_count, int64_t count) {
  return count == 0 ? Cell{} : whole_cell(true_count == count ? 1 : 0);
}

Cell quantile_cell(const DdSketch& sketch, double q) {
  return sketch.count() == 0 ? Cell{} : real_cell(sketch.quantile(q));
}

uint32_t sketch_code_of(data::TypeId type, const InputValue& value) {
  if (data::is_text(type)) {
    return sketch_code(hash_bytes(value.text));
  }
  const int64_t order = order_of_equal(type, value.integer);
  char bytes[sizeof(order)];
  std::memcpy(bytes, &order, sizeof(order));
  return sketch_code(hash_bytes({bytes, sizeof(bytes)}));
}

int32_t sketch_bin_of(data::TypeId type, const InputValue& value) {
  return sketch_bin(is_real(type) ? value.real : static_cast<double>(value.integer));
}

void CountState::merge_encoded(RowReader* reader) {
  count += read_count(reader);
}

void CountState::encode(std::string* out) const {
  append_varint(out, static_cast<uint64_t>(count));
}

void IntegerSumState::merge_encoded(RowReader* reader) {
  const uint64_t low = reader->varint();
  const uint64_t high = reader->varint();
  if (high > kSumHighMax) {
    reader->fail();
    return;
  }
  const Unsigned128 zigzag = (static_cast<Unsigned128>(high) << 64) | low;
  sum += static_cast<Int128>(zigzag >> 1) ^ -static_cast<Int128>(zigzag & 1);
}

void IntegerSumState::encode(std::string* out) const {
  const auto zigzag = (static_cast<Unsigned128>(sum) << 1) ^ static_cast<Unsigned128>(sum >> 127);
  append_varint(out, static_cast<uint64_t>(zigzag));
  append_varint(out, static_cast<uint64_t>(zigzag >> 64));
}

void ExtremeState::take(int64_t other_order, std::string_view other_text) {
  if (data::is_text(type)) {
    if (!has_value || (is_min ? other_text < text : other_text > text)) {
      text = other_text;
    }
  } else if (!has_value || (is_min ? other_order < order : other_order > order)) {
    order = other_order;
  }
  has_value = true;
}

void ExtremeState::merge_encoded(RowReader* reader) {
  if (reader->byte() != 0) {
    const InputValue value = read_input(reader, type);
    if (!reader->failed()) {
      take(value.integer, value.text);
    }
  }
}

void ExtremeState::encode(std::string* out) const {
  out->push_back(has_value ? 1 : 0);
  if (has_value) {
    append_input(out, type, input_of_order(type, order, text));
  }
}

void PowerSumState::add(const InputValue& value, const RowOrder&) {
  if (is_real(type)) {
    add_power(value.real, power, false, &sum);
  } else {
    add_power(value.integer, power, false, &sum);
  }
}

void PowerSumState::merge_encoded(RowReader* reader) {
  bool mark = false;
  const WideSum other = WideSum::decode(reader, &mark);
  if (mark) {
    reader->fail();
    return;
  }
  sum.merge(other);
}

void ValueCountsState::take(const InputValue& value, int64_t count) {
  if (data::is_text(type)) {
    texts.add(std::string(value.text), count);
  } else {
    numbers.add(order_of_equal(type, value.integer), count);
  }
}

void ValueCountsState::merge_encoded(RowReader* reader) {
  for (uint64_t left = reader->varint(); left > 0 && !reader->failed(); --left) {
    const InputValue value = read_input(reader, type);
    const int64_t count = read_count(reader);
    if (count == 0) {
      reader->fail();
    }
    if (!reader->failed()) {
      take(value, count);
    }
  }
}

void ValueCountsState::encode(std::string* out) const {
  append_varint(out, numbers.counts().size() + texts.counts().size());
  for (const auto& [order, count] : numbers.counts()) {
    append_input(out, type, input_of_order(type, order, {}));
    append_varint(out, static_cast<uint64_t>(count));
  }
  for (const auto& [text, count] : texts.counts()) {
    append_input(out, type, {.text = text});
    append_varint(out, static_cast<uint64_t>(count));
  }
}

AggregateState::AggregateState(const Primitive& primitive) : state_(fresh_state(primitive)) {}

}  // namespace assay::gold
