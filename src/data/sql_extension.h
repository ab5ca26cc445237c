#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace assay::data {

/// Path of an extension of the SQL engine, which lies beside its library. kFailedPrecondition
/// says how it gets there.
Result<std::string> sql_extension_path(std::string_view name);

}  // namespace assay::data
