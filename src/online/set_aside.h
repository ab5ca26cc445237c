#pragma once

#include <string>
#include <vector>

#include "base/world.h"

namespace assay::online {

/// Give the folders of those embedded stores at a place (open_online_store) that damage keeps
/// closed another name, `FOLDER.damaged-1` or the next one that is free: a store that is opened
/// there then begins empty. Nobody may have them open, or goes on with what is set aside.
///
/// Shape   the new names; none when all of them open.
/// Errors  those of open_online_store, kCorrupt excepted; kPermissionDenied and others of the disk.
Result<std::vector<std::string>> set_aside_damaged(World& world,
                                                   const std::string& place,
                                                   const std::string& project);

}  // namespace assay::online
