#pragma once

#include "data/batch.h"
#include "data/json_lines.h"

namespace assay::bronze {

/// Read typed rows (of a Parquet file) as the declared columns, found by name; others are ignored.
///
/// Integers widen and narrow when they fit; whole floating-point numbers become integers; integers
/// become timestamps when the column declares a unit; dates become timestamps at midnight; texts
/// are read as CSV cells are; anything becomes text. A value that fits no rule rejects its row with
/// kWrongType, text that is not UTF-8 with kInvalidUtf8.
/// Nulls   an absent column is null in every row; null in a required column rejects with
///         kMissingRequired.
/// Shape   as the text decoders: good rows in order, rejects by row number.
data::Decoded cast_rows(const data::DecodeOptions& options, const data::Batch& rows);

}  // namespace assay::bronze
