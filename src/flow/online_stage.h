#pragma once

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Bring a view's online rows up to its source table's newest version: rows and position in one
/// transaction a time, so that a killed run goes on where the store stands.
///
/// Errors  those of the lake and the store; kCancelled when options.stop was asked for.
Result<StageAccount> run_online_stage(Workspace& workspace,
                                      const std::string& view,
                                      const RunOptions& options);

}  // namespace assay::flow
