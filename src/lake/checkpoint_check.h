#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lake/doctor.h"
#include "lake/lake_access.h"
#include "lake/snapshot.h"

namespace assay::lake {

/// What was found of a table's checkpoints.
struct CheckpointCheck {
  std::vector<Finding> findings;
  std::shared_ptr<const TableState> state;  // the newest, by what can be read; null for none
  Status unreadable;                        // why no reader reads the newest version
};

/// Read every checkpoint of a table to its end, compare it with the log that it stands for, and see
/// where _last_checkpoint leads and whether it says what is so.
///
/// Mended  while no one else writes. A checkpoint that is damaged or contradicts the log from its
///         beginning on is written anew from that; where that is not there, a damaged one from an
///         older one and the log behind it, or from another copy of its version; where nothing
///         gives it and a newer one is whole, it is removed. Checkpoints that contradict each other
///         without the log's beginning stay, and so does what would be written from them. Of tables
///         that we must not write to, nothing. A power cut leaves the damage, no _last_checkpoint,
///         or a whole checkpoint.
/// Errors  those of the store.
/// Cost    O(checkpoints * files of the table + log entries).
/// Source  docs/decisions/0172-damaged-checkpoints.md
Result<CheckpointCheck> check_checkpoints(const LakeAccess& lake,
                                          const std::string& key,
                                          bool mend);

}  // namespace assay::lake
