#pragma once

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Read a bronze table's source up to its present end into the table and its quarantine.
///
/// Each epoch is two commits: the quarantine first, then the table, whose position is the truth. A
/// run killed between them reads the epoch again and leaves out what the quarantine already has.
/// Errors  those of the source, after what came before the damage has been committed; kCancelled.
Result<StageAccount> run_bronze_stage(Workspace& workspace,
                                      const std::string& table,
                                      const RunOptions& options);

}  // namespace assay::flow
