#include "learn/metrics.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace assay::learn {
namespace {

constexpr double kLogLossEdge = 1e-15;

Status check_input(std::span<const float> scores, std::span<const float> labels) {
  if (scores.size() != labels.size()) {
    return {Code::kInvalidArgument,
            "scores and labels differ in number: " + std::to_string(scores.size()) + " and " +
                std::to_string(labels.size())};
  }
  if (scores.empty()) {
    return {Code::kInvalidArgument, "no rows to measure the model on"};
  }
  const auto is_number = [](float value) { return !std::isnan(value); };
  if (!std::all_of(scores.begin(), scores.end(), is_number) ||
      !std::all_of(labels.begin(), labels.end(), is_number)) {
    return {Code::kInvalidArgument, "a score or label is not a number (NaN)"};
  }
  return {};
}

/// Area under the ROC curve: the share of (one, zero) pairs where the one scores higher, ties half.
std::optional<double> auc(std::span<const float> scores, std::span<const float> labels) {
  struct Scored {
    float score;
    bool positive;
  };
  std::vector<Scored> sorted;
  sorted.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    sorted.push_back({scores[i], labels[i] != 0});
  }
  std::sort(sorted.begin(), sorted.end(), [](const Scored& a, const Scored& b) {
    return a.score < b.score;
  });
  uint64_t ones_before = 0;
  uint64_t zeros_before = 0;
  uint64_t twice_won = 0;  // two for a pair that is right, one for a tie; fits up to 3e9 rows
  for (std::size_t begin = 0; begin < sorted.size();) {
    uint64_t ones = 0;
    std::size_t end = begin;
    for (; end < sorted.size() && sorted[end].score == sorted[begin].score; ++end) {
      ones += sorted[end].positive ? 1 : 0;
    }
    const uint64_t zeros = end - begin - ones;
    twice_won += ones * (2 * zeros_before + zeros);
    ones_before += ones;
    zeros_before += zeros;
    begin = end;
  }
  if (ones_before == 0 || zeros_before == 0) {
    return std::nullopt;
  }
  return static_cast<double>(twice_won) /
         (2.0 * static_cast<double>(ones_before) * static_cast<double>(zeros_before));
}

}  // namespace

Result<BinaryMetrics> binary_metrics(std::span<const float> scores, std::span<const float> labels) {
  ASSAY_RETURN_IF_ERROR(check_input(scores, labels));
  BinaryMetrics out;
  out.rows = static_cast<int64_t>(scores.size());
  double loss = 0;
  double squares = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (labels[i] != 0 && labels[i] != 1) {
      return Status(Code::kInvalidArgument,
                    "a label is neither 0 nor 1: " + std::to_string(labels[i]));
    }
    const double score = scores[i];
    const double bounded = std::clamp(score, kLogLossEdge, 1 - kLogLossEdge);
    loss -= labels[i] != 0 ? std::log(bounded) : std::log1p(-bounded);
    squares += (score - labels[i]) * (score - labels[i]);
    out.positives += labels[i] != 0 ? 1 : 0;
  }
  const auto rows = static_cast<double>(out.rows);
  out.auc = auc(scores, labels);
  out.log_loss = loss / rows;
  out.brier = squares / rows;
  out.base_rate = static_cast<double>(out.positives) / rows;
  return out;
}

Result<NumericMetrics> numeric_metrics(std::span<const float> scores,
                                       std::span<const float> labels) {
  ASSAY_RETURN_IF_ERROR(check_input(scores, labels));
  NumericMetrics out;
  out.rows = static_cast<int64_t>(scores.size());
  double squares = 0;
  double distances = 0;
  double sum = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double error = static_cast<double>(scores[i]) - labels[i];
    squares += error * error;
    distances += std::abs(error);
    sum += labels[i];
  }
  const auto rows = static_cast<double>(out.rows);
  out.rmse = std::sqrt(squares / rows);
  out.mae = distances / rows;
  out.label_mean = sum / rows;
  return out;
}

std::map<std::string, double> metric_map(const BinaryMetrics& metrics) {
  std::map<std::string, double> out = {{"log_loss", metrics.log_loss}, {"brier", metrics.brier}};
  if (metrics.auc) {
    out["auc"] = *metrics.auc;
  }
  return out;
}

std::map<std::string, double> metric_map(const NumericMetrics& metrics) {
  return {{"rmse", metrics.rmse}, {"mae", metrics.mae}};
}

}  // namespace assay::learn
