#pragma once

#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Make ready the lines of a project with `lake: none`, where no table has rows that a view could
/// be made from: every view stands where its table's positions stand, or ahead of them.
///
/// The tables are in the project's own folder and hold positions, and of bronze tables with a key
/// what duplicates are known by; no rows. Where a view of a bronze table has not all that was read
/// (it is new, its definition changed, or the store lost it), all views of that table begin anew,
/// with what the topics still have.
///
/// Errors  kFailedPrecondition: the store has a view at a position that this folder does not know,
///         and options.begins_anew does not say that it may go: another host or a lake may be at
///         work on it.
/// Source  docs/decisions/0112-no-lake.md
Status prepare_direct_lines(Workspace& workspace, const RunOptions& options);

/// Bring the positions of the silver tables over a bronze table to where that one stands.
Status move_positions(Workspace& workspace, const std::string& bronze, const RunOptions& options);

/// kFailedPrecondition where a project has `lake: none`: `what` needs rows of tables.
Status require_lake(const Workspace& workspace, const std::string& what);

/// kAborted, to be told by a line one of whose views has lost its place: opened again, it
/// begins anew.
Status lost_its_place(const std::string& bronze);

}  // namespace assay::flow
