#pragma once

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Bring a view's steps table up to its source table's newest version.
///
/// The table holds final steps (before the frontier: no later row can change them) and one open
/// tail (what follows if nothing more arrives), which each commit replaces. Commits are atomic; a
/// run that was killed goes on where the last commit stands. Errors  those of the lake; kCancelled
/// when options.stop was asked for, after the last whole commit. Source
/// docs/decisions/0008-gold-frontier.md
Result<StageAccount> run_gold_stage(Workspace& workspace,
                                    const std::string& view,
                                    const RunOptions& options);

/// Fail with kFailedPrecondition unless the steps table knows the answers up to `last`: they are
/// final, or the table is up to its source.
Status require_steps_until(Workspace& workspace, const gold::FeatureView& view, EventTime last);

/// Steps of a view that may answer questions up to `last`, from its steps table.
Result<data::Batch> read_steps(Workspace& workspace, const gold::FeatureView& view, EventTime last);

}  // namespace assay::flow
