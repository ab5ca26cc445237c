#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/status.h"
#include "data/json_text.h"
#include "data/scalar.h"
#include "serve/json_request.h"

namespace assay::serve {

/// A JSON value as a value of a declared type. The rules are in docs/reference/http.md.
///
/// Nulls   null gives null of that type.
/// Errors  kInvalidArgument: not such a value, or beyond its range.
Result<data::Scalar> to_scalar(const JsonValue& value, const data::Type& type);

/// Write a value as Feast's server does: timestamps as whole seconds, dates as text, bytes in
/// base64, NaN and infinities as null.
void write_scalar(JsonWriter& writer, const data::Scalar& value);

using data::to_base64;
/// Errors  kInvalidArgument: a character or length that base64 does not have.
Result<std::string> from_base64(std::string_view text);

}  // namespace assay::serve
