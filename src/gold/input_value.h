#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/column.h"
#include "gold/cell.h"
#include "gold/row_bytes.h"

namespace assay::gold {

/// One value of an argument as aggregates take it: integer or order of a double, and text.
struct InputValue {
  int64_t integer = 0;  // the value, or order_of() a double
  double real = 0;
  std::string_view text{};
};
/// Value of one row, which must not be null.
InputValue input_value(const data::Column& column, int64_t row);
/// The value of an order and a text.
InputValue input_of_order(data::TypeId type, int64_t order, std::string_view text);

/// Append a value that is not null: 8 bytes for doubles, length and bytes for text, else a signed
/// varint.
void append_input(std::string* out, data::TypeId type, const InputValue& value);
InputValue read_input(RowReader* reader, data::TypeId type);

/// Where a row stands among the rows of its entity.
struct RowOrder {
  int64_t event_time = 0;
  int64_t known_time = 0;
  int64_t sequence = 0;
  auto operator<=>(const RowOrder&) const = default;
};

}  // namespace assay::gold
