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

/// What contents() has lines of.
struct Contents {
  bool has_lake = true;     // rows of tables
  bool is_examined = true;  // and what the doctor says of them: nothing, where all is well
};

/// What the project holds, in lines.
Result<std::string> contents(const std::string& folder, const Contents& what);

}  // namespace assay::sim
