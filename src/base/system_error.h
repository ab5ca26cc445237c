#pragma once

#include <cerrno>
#include <string_view>

#include "base/status.h"

namespace assay {

/// The code of a failed system call, by its errno.
Code code_of_errno(int error);
/// "what path: the system's words".
Status system_failure(std::string_view what, std::string_view path, int error = errno);

}  // namespace assay
