#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

// What the program may ask about the process it is.

namespace assay {

/// Value of an environment variable; nothing when it is not set.
std::optional<std::string> environment_variable(const std::string& name);
/// `path` with every link and .. resolved. kNotFound when there is no such file or folder.
Result<std::string> absolute_path(const std::string& path);
/// Let this process have as many open files as its user may.
void raise_file_limit();
/// The calling thread, and those that it starts from now on, run behind the others while there are
/// more than processors. It cannot be taken back.
void give_way();
/// Folder of the running program.
Result<std::string> program_folder();

}  // namespace assay
