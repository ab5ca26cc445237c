#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/column.h"
#include "data/scalar.h"
#include "gold/input_value.h"
#include "gold/row_bytes.h"

namespace assay::gold {

/// Append one value, not null, of any type: numbers, texts and times as append_input writes them, a
/// decimal as its 16 bytes, and
///
///   array    elements
///   list     varint number of elements | elements
///   map      varint number of entries | per entry: the key, then 0 for null or 1 and the value
///   struct   per field: 0 for null, or 1 and the value
///   elements 0 | values, or 1 | per element: 0 for null, or 1 and the value; values of one fixed
///            width without nulls lie as they do in memory, little-endian
void append_row_value(std::string* out, const data::Column& column, int64_t row);

/// Append a list of these values, none of them null, as append_row_value writes it.
void append_list_value(std::string* out, data::TypeId element, std::span<const InputValue> values);

/// Read it back; null, and the reader has failed, when the bytes are no value of that type.
data::Scalar read_row_value(RowReader* reader, const data::Type& type);

}  // namespace assay::gold
