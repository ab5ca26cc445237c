#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flow/label_files.h"
#include "flow/workspace.h"
#include "gold/training_set.h"

namespace assay::flow {

struct TrainingFileOptions {
  LabelFilesOptions labels;
  std::string to;  // .parquet or .csv
  gold::TrainingSetOptions set;
  std::size_t memory_bytes_max = std::size_t{2} << 30;
  int64_t round_labels_max = 0;  // labels of one round; 0: as many as memory takes
};

/// What one view's answers came from, and what they were.
struct TrainingViewReport {
  std::string view;
  std::string table;           // its steps table
  int64_t version = 0;         // of the table
  uint64_t fingerprint = 0;    // of the definition and of all before it
  int64_t steps = 0;           // rows of the table that were looked at
  int64_t present = 0;         // labels that got an answer
  int64_t not_found = 0;       // labels whose entity had none yet, null keys and times among them
  int64_t expired = 0;         // labels whose answer was older than the view's ttl
  bool by_sql_engine = false;  // steps were read by it (StepRows), not by row groups
};

/// What a training set was made from.
struct TrainingFileReport {
  std::string service;
  int64_t rows = 0;
  int64_t features = 0;
  int64_t rows_with_null_key_or_time = 0;         // of any view
  int64_t rows_with_key_and_time_of_another = 0;  // of the view where most are
  int64_t rows_in_the_future = 0;                 // later than the machine's clock
  int64_t rows_without_match = 0;                 // no view had an answer
  std::vector<TrainingViewReport> views;
  std::map<std::string, uint64_t> fingerprints;  // of views and on-demand views
  int64_t rounds = 1;                            // how often the steps were read
  int64_t spilled_bytes = 0;
  int64_t peak_memory_bytes = 0;  // of the whole process
  double seconds = 0;
  double rows_per_second = 0;
};

/// Attach a service's features to label rows from files, and write the set to a file.
///
/// Shape   as gold::training_set; equal inputs give equal bytes, whatever threads and memory.
/// Errors  those of LabelFiles and steps_relation; kResourceExhausted: disk, or less memory than
///         one round takes.
/// Cost    steps are read twice, once their keys and times and once what is asked for, labels
///         likewise. Linear while labels fit (about 64 bytes each in 4/10 of the memory); more are
///         taken in rounds, each of which reads the steps again.
///         The process keeps freed blocks beside memory_bytes_max (base/memory.h).
/// Source  docs/decisions/0045-training-sets-in-bounded-memory.md
Result<TrainingFileReport> write_training_file(Workspace& workspace,
                                               const gold::Service& service,
                                               const TrainingFileOptions& options);

}  // namespace assay::flow
