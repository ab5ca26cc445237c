#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/status.h"

namespace assay::learn {

/// How well probabilities fit labels of 0 and 1.
struct BinaryMetrics {
  int64_t rows = 0;
  int64_t positives = 0;
  std::optional<double> auc;  // nothing when all labels are equal
  double log_loss = 0;        // natural logarithm, mean; probabilities are kept 1e-15 from 0 and 1
  double brier = 0;           // mean squared error of the probability
  double base_rate = 0;       // share of ones
};

/// How well numbers fit numeric labels.
struct NumericMetrics {
  int64_t rows = 0;
  double rmse = 0;
  double mae = 0;
  double label_mean = 0;
};

/// Compare probabilities with labels.
///
/// Ties    AUC counts a tie between a one and a zero as half, in whole numbers: it is exact but for
/// its
///         last division.
/// Errors  kInvalidArgument: lengths differ, no rows, a score that is NaN, a label that is not 0
/// or 1. Cost    O(n log n).
Result<BinaryMetrics> binary_metrics(std::span<const float> scores, std::span<const float> labels);

/// Compare numbers with labels. Errors as above.
Result<NumericMetrics> numeric_metrics(std::span<const float> scores,
                                       std::span<const float> labels);

/// As model cards name them: auc, log_loss, brier; rmse, mae.
std::map<std::string, double> metric_map(const BinaryMetrics& metrics);
std::map<std::string, double> metric_map(const NumericMetrics& metrics);

}  // namespace assay::learn
