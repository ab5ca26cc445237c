#pragma once

#include <optional>
#include <string>

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"
#include "silver/part_times.h"

namespace assay::flow {

/// Bring a silver table up to its bronze table's newest version: one commit for each bronze commit,
/// so that a killed run and the one after it make the same commits as an undisturbed one.
///
/// Rejected and late rows go to the tables <name>_quarantine and <name>_late, committed first.
/// Errors  those of the operator and the lake; kCancelled.
Result<StageAccount> run_silver_stage(Workspace& workspace,
                                      const std::string& table,
                                      const RunOptions& options);

/// By what a silver table's rows behind the bronze table's newest version are judged, wherever the
/// silver table stands. Only of tables without `enrich`; nothing where versions that the silver
/// table does not have cannot be read any more.
///
/// Cost  without a lake, and where the silver table is up to its bronze table: one look at the log.
///       Else its operator runs over what it lacks.
Result<std::optional<silver::PartTimes>> part_times_behind(Workspace& workspace,
                                                           const std::string& table);

}  // namespace assay::flow
