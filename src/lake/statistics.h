#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.h"

namespace assay::lake {

/// Statistics of rows [begin, end) of a batch as Delta's `stats` JSON: numRecords, minValues,
/// maxValues, nullCount, over all columns but those named in `left_out` (partition columns have
/// none).
///
/// Readers skip files by these, so a wrong one gives wrong answers silently: minima are rounded
/// down and maxima up wherever a value cannot be written exactly. The rules, type by type, are in
/// docs/formats/delta.md.
/// Cost    O(rows x columns), no allocation per row.
std::string statistics_json(const data::Batch& rows,
                            int64_t begin,
                            int64_t end,
                            const std::vector<std::string>& left_out);

/// Append the JSON bound of a text: its first 32 code points, a cut max with U+10FFFF behind it.
void append_text_bound(std::string& out, std::string_view text, bool is_min);
/// The JSON bound of a number that is no NaN: zero is -0.0 as min and 0.0 as max.
std::string float_bound(double value, bool is_min);
/// The JSON bound of an instant: min rounded down, max up to the millisecond.
std::string timestamp_bound(int64_t micros, bool is_min);

}  // namespace assay::lake
