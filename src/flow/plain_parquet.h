#pragma once

#include "flow/workspace.h"

namespace assay::flow {

/// Leave the tables with `format: parquet` as readers without Delta want them: the newest version's
/// manifest stands, and files that it does not name are removed where a version named them once.
/// For the end of a run.
///
/// Errors  those of the lake.
/// Source  docs/decisions/0051-plain-parquet.md
Status publish_plain_parquet(Workspace& workspace);

}  // namespace assay::flow
