#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace assay::catalog {

/// The leaves of a JSON value in document order, each with its path and its own JSON text:
/// {"a":{"b":1},"c":[{"d":2}],"e":[1,2]} is a.b = 1, c[0].d = 2, e = [1,2].
///
/// Errors  kCorrupt: not JSON, or nested deeper than 64 levels.
Result<std::vector<std::pair<std::string, std::string>>> json_leaves(std::string_view json);

}  // namespace assay::catalog
