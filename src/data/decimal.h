#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assay::data {

/// What a decimal column holds: a count of units of 10^-scale.
__extension__ typedef __int128 Int128;

/// "-12.30" for -1230 at scale 2: always `scale` digits behind the point.
std::string format_decimal(Int128 units, int scale);

/// Read "12.3", "-.5", "1e3". Digits beyond the scale are rounded half away from zero, as SQL's
/// CAST does. Nothing when the text is no number or has more digits than the precision.
std::optional<Int128> parse_decimal(std::string_view text, int precision, int scale);

/// The nearest double.
double decimal_to_double(Int128 units, int scale);

/// True when the units have at most `precision` digits.
bool fits_precision(Int128 units, int precision);

}  // namespace assay::data
