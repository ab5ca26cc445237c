#pragma once

#include <memory>

#include "base/file_system.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Hold this while online rows are brought up to the tables, and nothing else is done. Whoever runs
/// stages excludes it, and the other way round; of a project with `share` only those who fill that
/// share exclude each other: its store is nobody else's.
///
/// Errors  kFailedPrecondition: another process holds it.
Result<std::unique_ptr<FileLock>> lock_for_materializing(Workspace& workspace);

}  // namespace assay::flow
