#pragma once

#include <cstdint>
#include <string>
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

}  // namespace assay::lake
