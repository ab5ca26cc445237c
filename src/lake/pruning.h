#pragma once

#include <string_view>
#include <vector>

#include "lake/delta_table.h"

namespace assay::lake {

/// Files of the snapshot that may hold a row for which `where` is true, in order of path.
///
/// Understood are conjunctions of `column op literal` (either way round; = == < <= > >=), BETWEEN,
/// IN, IS [NOT] NULL and a bare boolean column. Literals: numbers, 'text', DATE '...',
/// TIMESTAMP[TZ] '...', true, false, make_timestamptz(micros), each with an optional ::type.
/// Anything else in the conjunction prunes nothing, and text that this reads otherwise than SQL
/// would is left alone: a file too many costs time, a file too few would be a wrong answer. Nulls
/// as in SQL: a comparison with null is not true.
std::vector<const DataFile*> prune_files(const Snapshot& snapshot, std::string_view where);

}  // namespace assay::lake
