#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace assay::sim {

/// What one process does in a scenario, and what befalls it.
struct Life {
  enum class Work { kRun, kUpkeep };
  Work work = Work::kRun;
  int new_files = 0;    // that have come when it begins
  std::string dies_at;  // "name:n" of docs/reference/fail_points.md; "" if it may come to its end
  uint64_t fails_one_in = 0;  // of its calls on files, about; 0 for none
  uint64_t seed = 0;          // of its files
  Duration clock_ahead;       // its wall clock against the machine's
  int threads = 1;
  int64_t epoch_rows = 0;
  int64_t batch_bytes = 0;
  int64_t gold_chunk_rows = 0;
  int64_t online_batch_rows = 0;

  [[nodiscard]] std::string to_string() const;
};

/// A project, the files that come to it, and the lives of the processes that work on it.
struct Scenario {
  uint64_t seed = 0;
  std::string definitions;  // project.yaml
  std::string settings;     // assay.yaml
  std::vector<std::string> files;
  std::vector<Life> lives;

  /// The scenario of a seed: the same on every machine.
  static Scenario make(uint64_t seed);
  /// All files at once, one process that nothing befalls.
  [[nodiscard]] Life undisturbed() const;
};

}  // namespace assay::sim
