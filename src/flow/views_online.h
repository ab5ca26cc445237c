#pragma once

#include <set>
#include <string>

#include "base/status.h"
#include "flow/workspace.h"

// What the online store has of a project's views.

namespace assay::flow {

/// Whether it has every view as it is defined now.
Result<bool> has_all_views(Workspace& workspace);

/// Whether journals have reads of a table that the lake may not have.
Result<bool> has_journal(Workspace& workspace, const std::string& bronze);
/// Views that are ahead of the lake by such reads: stages leave them alone until the line was
/// opened.
Result<std::set<std::string>> views_behind_journals(Workspace& workspace,
                                                    const std::string& bronze);

}  // namespace assay::flow
