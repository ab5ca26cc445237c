#include "gold/input_value.h"

#include <bit>

namespace assay::gold {

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
    case data::Type::kTimestampNtz:
      value.integer = column.values<int64_t>()[at];
      break;
    case data::Type::kInt8:
    case data::Type::kInt16:
      value.integer = column.integer(row);
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
    case data::Type::kDecimal:
    case data::Type::kList:
    case data::Type::kArray:
    case data::Type::kStruct:
    case data::Type::kMap:
      break;  // windows do not aggregate them, only count them; see catalog/aggregates.cc
  }
  return value;
}

InputValue input_of_order(data::TypeId type, int64_t order, std::string_view text) {
  return {.integer = order, .real = is_real(type) ? real_of_order(order) : 0, .text = text};
}

void append_input(std::string* out, data::TypeId type, const InputValue& value) {
  if (data::is_text(type)) {
    append_text(out, value.text);
  } else if (is_real(type)) {
    append_fixed64(out, std::bit_cast<uint64_t>(value.real));
  } else {
    append_signed(out, value.integer);
  }
}

InputValue read_input(RowReader* reader, data::TypeId type) {
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

}  // namespace assay::gold
