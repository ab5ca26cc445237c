#pragma once

#include "flow/run.h"
#include "flow/up.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Run the line without end as one of several processes of a project.
///
/// All of them bring topics to bronze, each the partitions that the group of the brokers gives it.
/// One of them leads: it alone brings files to bronze and runs the stages behind bronze; when it
/// ends, however it does, another one leads. Views follow the lake. Processes may come and go at
/// any moment.
///
/// Errors  as run_up(); kFailedPrecondition also: no table reads topics, or one of them cannot be
///         shared (why_not_shared()).
/// Source  docs/decisions/0130-processes-share-topics.md
Result<RunReport> run_shared_up(Workspace& workspace, const UpOptions& options);

}  // namespace assay::flow
