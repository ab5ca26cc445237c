#pragma once

#include <string>

#include "base/status.h"
#include "scenario.h"

namespace assay::sim {

/// What a process does, in a project's folder, until its end. SIGTERM asks it to stop; from SIGUSR1
/// to SIGUSR2 its disk is full.
Status live(const Life& life, const std::string& folder);

/// Let these signals wait, or not.
void hold_signals(bool are_held);

/// The file in which `assay up` tells how many records of the topic its tables have.
std::string progress_path(const std::string& folder);

/// What the project holds, and what the doctor says of it, in lines.
Result<std::string> contents(const std::string& folder, bool only_online);

}  // namespace assay::sim
