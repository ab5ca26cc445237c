#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace assay::lake {

// Bounds of values as Delta's `stats` JSON has them. Readers skip files by these, so a wrong one
// gives wrong answers silently: minima are rounded down and maxima up wherever a value cannot be
// written exactly. The rules, type by type, are in docs/formats/delta.md.

/// Append the JSON bound of a text: its first 32 code points, a cut max with U+10FFFF behind it.
void append_text_bound(std::string& out, std::string_view text, bool is_min);
/// The JSON bound of a number that is no NaN: zero is -0.0 as min and 0.0 as max.
std::string float_bound(double value, bool is_min);
/// The JSON bound of a decimal, "-123.45": at most 15 significant digits, min rounded down, max up.
std::string decimal_bound(std::string_view text, bool is_min);
/// The JSON bound of an instant: min rounded down, max up to the millisecond.
std::string timestamp_bound(int64_t micros, bool is_min);

}  // namespace assay::lake
