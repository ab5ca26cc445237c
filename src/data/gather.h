#pragma once

#include <span>
#include <vector>

#include "data/column.h"

namespace assay::data {

/// To give to what takes columns that it does not keep.
inline std::vector<const Column*> pointers(std::span<const ColumnPtr> columns) {
  std::vector<const Column*> result;
  for (const ColumnPtr& column : columns) {
    result.push_back(column.get());
  }
  return result;
}

/// Rows of several columns at once, for joins: data::take of each column, quicker when there are
/// many columns or rows.
///
/// Shape   one column per column given, `rows.size()` long; a row of -1 gives nulls.
/// Threads the result does not depend on `threads`.
/// Cost    memory: the result, and a row of all columns per result row while it is made.
std::vector<ColumnPtr> take_columns(std::span<const Column* const> columns,
                                    std::span<const int64_t> rows,
                                    int threads);

}  // namespace assay::data
