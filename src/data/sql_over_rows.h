#pragma once

#include <string>

#include "base/status.h"
#include "data/sql_engine.h"

namespace assay::data {

/// Run one statement in which the table `name` gives the rows of a reader, read once and in order.
///
/// Errors  those of SqlEngine::execute; those of the reader, as they are.
/// Threads the reader is called from threads of the engine, one call at a time.
/// Cost    rows are shared with the engine batch by batch, not copied.
Status execute_over(SqlEngine& engine,
                    const std::string& name,
                    BatchReader& rows,
                    const std::string& sql);

}  // namespace assay::data
