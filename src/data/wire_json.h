#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_writer.h"

// How values of binary records are written as JSON, so that the decoder of JSON lines reads them as
// a column of any fitting type.

namespace assay::data {

/// The most digits behind the point that a decimal may have.
inline constexpr int kDecimalDigitsMax = 38;

/// A zigzag number of up to 10 bytes from the front of `bytes`; false when there is none.
bool take_zigzag(std::string_view* bytes, int64_t* value);

/// Days since the epoch as "2001-01-31"; outside years 0001 to 9999 the number itself.
void write_days(int64_t days, JsonWriter* json);
/// An instant as text; outside those years the number itself.
void write_instant(int64_t count, int64_t micros_each, JsonWriter* json);
/// NaN and infinities are text, since JSON has no such numbers. A float is written as the double
/// that it is promoted to, with the digits of that: read as a float it is the same float.
void write_real(double value, JsonWriter* json);

/// A big-endian two's complement number as decimal text: "-0.01" for ff at scale 2. Nothing when
/// it has more than 16 bytes or none, or the scale is beyond kDecimalDigitsMax either way.
std::optional<std::string> unscaled_decimal(std::string_view bytes, int64_t scale);

}  // namespace assay::data
