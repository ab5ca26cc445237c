#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flow/online_changes.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Rows of ranges of sequence numbers, of all that a table holds: one range, or one of each part
/// where parts of the source are read side by side.
struct OnlinePiece {
  struct Range {
    int64_t first = 0;
    int64_t end = 0;
  };
  std::vector<Range> ranges;
  EventTime later_from;  // rows of the pieces behind it become visible from it on, at the earliest
};

/// How many pieces a table is cut into, as a power of two: each within the options' rows and bytes
/// of files, about.
int online_pieces_log2(const lake::Snapshot& snapshot, const RunOptions& options);

/// Whether parts of a view's source are read side by side: then each piece has rows in about every
/// file, and as many pieces read the table as often.
bool pieces_are_in_all_files(Workspace& workspace, const gold::FeatureView& view);

/// What a snapshot of a view's source holds, in 2^log2 pieces of equal ranges of sequence numbers:
/// the order in which its rows came. The same snapshot gives the same pieces.
///
/// Cost  two passes over three columns.
Result<std::vector<OnlinePiece>> online_pieces(Workspace& workspace,
                                               const gold::FeatureView& view,
                                               lake::DeltaTable& source,
                                               const lake::Snapshot& snapshot,
                                               int log2);

/// A condition of SQL for the rows of the pieces before number `index`.
std::string in_pieces_before(const std::vector<OnlinePiece>& pieces, std::size_t index);

/// The rows of one piece. Of a table of changes they know what replaces them in any piece.
Result<OnlineChanges> read_online_piece(Workspace& workspace,
                                        const gold::FeatureView& view,
                                        lake::DeltaTable& source,
                                        const lake::Snapshot& snapshot,
                                        const OnlinePiece& piece);

}  // namespace assay::flow
