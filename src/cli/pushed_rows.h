#pragma once

#include <string>

#include "base/world.h"

namespace assay::cli {

/// Put rows that were pushed into the folder of a source, as a file of their own that is complete
/// and durable before anybody sees its name. Names sort in the order of the pushes.
///
/// With `once`, which is fit for a name, the same rows under it make one file, however often and
/// to however many servers they are sent, also after a crash: the first of them leaves
/// `.push/<once>`, in a folder that sources pass over, with the name and the hash of what it is
/// about to write.
/// Errors  kAlreadyExists: `once` belongs to other rows; those of files.
Status put_pushed_rows(World& world,
                       const std::string& folder,
                       const std::string& rows,
                       const std::string& once);

}  // namespace assay::cli
