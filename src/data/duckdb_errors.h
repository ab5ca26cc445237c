#pragma once

#include "base/status.h"

namespace assay::data {

/// What DuckDB's message says, which may be nullptr, with the code that its first words stand for:
/// DuckDB gives nothing else.
Status duckdb_failure(const char* message);

}  // namespace assay::data
