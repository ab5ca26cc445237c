#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"

namespace assay {

/// Lines at `level` and above to `write`, each with the end of its line, in the threads that log.
std::unique_ptr<Log> line_log(Clock& clock,
                              LogLevel level,
                              std::function<void(const std::string&)> write);

}  // namespace assay
