#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "data/column.h"
#include "data/scalar.h"

namespace assay::data {

/// How a floating-point number that JSON does not know is written.
enum class JsonNonFinite { kNull, kText };

/// Append one value as JSON: lists and arrays as arrays, structs and maps as objects (keys as
/// text), decimals as numbers with all their digits, dates and times as text, bytes as base64.
void append_json(std::string& out,
                 const Column& column,
                 int64_t row,
                 JsonNonFinite non_finite = JsonNonFinite::kText);

/// Read JSON as a value of `type`, what append_json writes among it. A list of the declared size is
/// an array; members that a struct does not have are passed over, fields that the object does not
/// have are null; timestamps are text.
///
/// Errors  kInvalidArgument: not JSON, or not a value of that type.
Result<Scalar> parse_json(std::string_view text, const Type& type);

/// RFC 4648 base64 with padding.
std::string to_base64(std::string_view bytes);

}  // namespace assay::data
