#pragma once

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Bring a silver table up to its bronze table's newest version: one commit for each bronze commit,
/// so that a killed run and the one after it make the same commits as an undisturbed one.
///
/// Rejected and late rows go to the tables <name>_quarantine and <name>_late, committed first.
/// Errors  those of the operator and the lake; kCancelled.
Result<StageAccount> run_silver_stage(Workspace& workspace,
                                      const std::string& table,
                                      const RunOptions& options);

}  // namespace assay::flow
