#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace assay::sim {

/// What one process does in a scenario, and what befalls it.
struct Life {
  enum class Work { kRun, kUpkeep, kUp };
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
  std::size_t duplicates_bytes = std::size_t{256} << 20;
  // Of kUp, which goes on until it has all that came and all is well again, or is killed.
  int64_t new_records = 0;  // that come while it lives
  Duration flush_every;
  bool clock_jumps = false;  // again and again, by hours and months
  bool is_killed = false;    // at some moment
  bool brokers_go = false;   // for a moment, as the next two
  bool redis_goes = false;
  bool disk_fills = false;
  bool shares = false;  // topics with another process, which ends before it or is killed

  [[nodiscard]] std::string to_string() const;
};

/// A record of a topic.
struct TopicRecord {
  int32_t partition = 0;
  std::string value;
};

/// A project, the files or records that come to it, and the lives of the processes that work on it.
struct Scenario {
  uint64_t seed = 0;
  std::string definitions;  // project.yaml
  std::string settings;     // assay.yaml
  std::vector<std::string> files;
  std::string file_ending = ".csv";
  std::vector<Life> lives;
  // Of one whose events come from a topic: BROKERS in definitions stands for its address, ONLINE in
  // settings for the online store.
  int32_t partitions = 0;
  std::vector<TopicRecord> records;
  std::string online_kind;  // "lmdb", "hashlog", "redis"
  bool has_lake = true;

  /// The scenario of a seed: the same on every machine.
  static Scenario make(uint64_t seed);
  /// One of `assay up` over a topic.
  static Scenario make_up(uint64_t seed);
  /// All files at once, one process that nothing befalls.
  [[nodiscard]] Life undisturbed() const;
};

}  // namespace assay::sim
