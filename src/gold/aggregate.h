#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/column.h"
#include "data/scalar.h"
#include "gold/exact_sum.h"
#include "gold/row_bytes.h"

// Aggregates as commutative monoids, to the bit: the states that window features are made of. The
// steps kernel (window_steps.cc) and the online row (window_row.cc) share the states and the
// functions that turn them into values; so they cannot differ.

namespace assay::gold {

__extension__ typedef __int128 Int128;

/// What a feature is made of. A mean is a sum and a count.
enum class PrimitiveKind : uint8_t { kCount, kIntegerSum, kFloatSum, kMin, kMax };

/// One state that is kept: a kind over one argument (see window_plan.h).
struct Primitive {
  PrimitiveKind kind = PrimitiveKind::kCount;
  int argument = 0;
  data::Type type = data::Type::kInt64;  // of the argument's values
  bool operator==(const Primitive&) const = default;
};

/// A feature's value in 64 bits: int64 (also bool, date, timestamp) or the bits of a double (also
/// for float32, widened). Bits are 0 when null. Text does not fit and goes beside it.
struct Cell {
  uint64_t bits = 0;
  bool is_null = true;
  bool operator==(const Cell&) const = default;
};

/// True for types whose values are held as double.
constexpr bool is_real(data::Type type) {
  return type == data::Type::kFloat32 || type == data::Type::kFloat64;
}

/// Order of doubles as integers: -inf < ... < -0.0 < 0.0 < ... < inf < NaN. All NaNs are one.
inline int64_t order_of(double value) {
  if (value != value) {
    return std::bit_cast<int64_t>(uint64_t{0x7ff8000000000000});
  }
  const auto bits = std::bit_cast<int64_t>(value);
  return bits >= 0 ? bits : static_cast<int64_t>(static_cast<uint64_t>(bits) ^ (~uint64_t{0} >> 1));
}
/// The double of an order.
inline double real_of_order(int64_t order) {
  return std::bit_cast<double>(
      order >= 0 ? order
                 : static_cast<int64_t>(static_cast<uint64_t>(order) ^ (~uint64_t{0} >> 1)));
}

/// Value of a count.
inline Cell count_cell(int64_t count) {
  return {static_cast<uint64_t>(count), false};
}
/// Value of an integer sum; null when nothing was counted or when it does not fit 64 bits.
Cell sum_cell(Int128 sum, int64_t count);
/// Value of a floating-point sum; null when nothing was counted.
Cell sum_cell(const ExactSum& sum, int64_t count);
/// The sum, rounded once, over the count; null when nothing was counted.
Cell mean_cell(Int128 sum, int64_t count);
Cell mean_cell(const ExactSum& sum, int64_t count);
/// A minimum or maximum from its order.
Cell extreme_cell(data::Type type, int64_t order);
/// The scalar of a cell; `type` is not text.
data::Scalar scalar_of(data::Type type, Cell cell);

/// One value of an argument as aggregates take it: integer or order of a double, and text.
struct InputValue {
  int64_t integer = 0;  // the value, or order_of() a double
  double real = 0;
  std::string_view text;
};
/// Value of one row, which must not be null.
InputValue input_value(const data::Column& column, int64_t row);

/// Append a value that is not null: 8 bytes for doubles, length and bytes for text, else a signed
/// varint.
void append_input(std::string* out, data::Type type, const InputValue& value);
InputValue read_input(RowReader* reader, data::Type type);

/// State of one primitive over some rows, as tiles of the online row hold it.
///
/// Threads one thread at a time.
class AggregateState {
 public:
  explicit AggregateState(const Primitive& primitive) : primitive_(primitive) {}
  void add(const InputValue& value);
  /// Merge the state whose bytes come next. The reader fails when they are none.
  void merge_encoded(RowReader* reader);
  void encode(std::string* out) const;

  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] Cell sum(int64_t count) const;
  [[nodiscard]] Cell mean(int64_t count) const;
  /// Of kMin and kMax.
  [[nodiscard]] data::Scalar extreme() const;

 private:
  void take_extreme(int64_t order, std::string_view text);

  Primitive primitive_;
  int64_t count_ = 0;  // kCount: rows; kMin, kMax: 1 when there is a value
  Int128 integer_sum_ = 0;
  ExactSum float_sum_;
  int64_t order_ = 0;
  std::string text_;
};

}  // namespace assay::gold
