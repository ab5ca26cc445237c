#pragma once

#include <string>
#include <vector>

#include "flow/run_options.h"
#include "flow/training.h"
#include "flow/workspace.h"
#include "learn/metrics.h"
#include "learn/model_card.h"

namespace assay::flow {

/// What a training run made.
struct TrainReport {
  std::string model;
  int64_t version = 0;
  learn::ModelCard card;
  std::vector<std::string> left_out;  // features that are text: trees take numbers
  double training_set_seconds = 0;
  double training_seconds = 0;
};

/// Make the model's point-in-time training set, train on its older part, test on its newer part,
/// and register the model with the data versions and definitions it was made from.
///
/// Errors  kNotFound: nothing run yet; kInvalidArgument: labels or parameters that do not fit;
///         kFailedPrecondition: too few rows, or labels of one class only.
Result<TrainReport> train_model(Workspace& workspace,
                                const std::string& model,
                                const RunOptions& options);

/// How much a join that ignores known time gets wrong.
struct LeakageReport {
  std::string model;
  int64_t rows = 0;        // of the training set
  int64_t rows_wrong = 0;  // with at least one feature that differs from the honest one
  int64_t values = 0;
  int64_t values_wrong = 0;
  learn::BinaryMetrics honest;  // of a model trained and tested on what was known
  learn::BinaryMetrics leaky;   // trained and tested on what the plain join gives: what it seems
  learn::BinaryMetrics
      leaky_served;  // trained on the plain join, tested on what serving would give
};

/// Build a model's training set twice, with known time and without, and compare them.
Result<LeakageReport> measure_leakage(Workspace& workspace,
                                      const std::string& model,
                                      const RunOptions& options);

}  // namespace assay::flow
