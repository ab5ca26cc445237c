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

/// Read every checkpoint of a table to its end, compare the newest with the log that it stands for,
/// and see where _last_checkpoint leads.
///
/// Mended  a damaged checkpoint is written anew where an older one and the log, or the log from its
///         beginning, give its state; where they do not and a newer one is whole, it is removed. Of
///         tables that we must not write to, nothing.
///         A power cut leaves the damage, no _last_checkpoint, or a whole checkpoint.
/// Errors  those of the store.
/// Cost    O(checkpoints * files of the table).
/// Source  docs/decisions/0172-damaged-checkpoints.md
Result<CheckpointCheck> check_checkpoints(const LakeAccess& lake,
                                          const std::string& key,
                                          bool mend);

}  // namespace assay::lake
