#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/batch.h"

namespace assay::quality {

/// Tells for every row of a batch whether it passes: 1 or 0. Stateless.
using RowCheck = std::function<Result<std::vector<uint8_t>>(const data::Batch&)>;

/// Compile a check of rows other than `unique`.
///
/// Errors  as CheckSet::compile.
Result<RowCheck> compile_row_check(const catalog::CheckDef& check, const data::Schema& schema);

/// The column that a check names. kInvalidArgument with the nearest name when there is none.
Result<data::Field> find_check_column(const catalog::CheckDef& check, const data::Schema& schema);

/// "range(delay)", "expr(a > b)", "row_count".
std::string check_name(const catalog::CheckDef& check);

}  // namespace assay::quality
