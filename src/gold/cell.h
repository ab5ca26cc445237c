#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "data/scalar.h"

namespace assay::gold {

/// A feature's value in 64 bits: int64 (also bool, date, timestamp) or the bits of a double (also
/// for float32, widened). Bits are 0 when null. Text does not fit: its cells hold ranks.
struct Cell {
  uint64_t bits = 0;
  bool is_null = true;
  bool operator==(const Cell&) const = default;

  /// Null because the value does not fit; differs from the null of nothing.
  static Cell overflow() { return {1, true}; }
  [[nodiscard]] bool overflows() const { return is_null && bits != 0; }
};

/// True for types whose values are held as double.
using data::is_real;

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
/// The order under which equal values are one: -0.0 counts as 0.0.
inline int64_t order_of_equal(data::TypeId type, int64_t order) {
  return is_real(type) && order == -1 ? 0 : order;
}

inline Cell whole_cell(int64_t value) {
  return {static_cast<uint64_t>(value), false};
}
inline Cell nan_cell() {
  return {std::bit_cast<uint64_t>(std::numeric_limits<double>::quiet_NaN()), false};
}
/// One NaN, so that equal answers have equal bits.
inline Cell real_cell(double value) {
  return value != value ? nan_cell() : Cell{std::bit_cast<uint64_t>(value), false};
}
/// A value from its order; of text the rank.
inline Cell cell_of_order(data::TypeId type, int64_t order) {
  return is_real(type) ? real_cell(real_of_order(order)) : whole_cell(order);
}
/// The scalar of a cell; `type` is not text.
inline data::Scalar scalar_of(const data::Type& type, Cell cell) {
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

}  // namespace assay::gold
