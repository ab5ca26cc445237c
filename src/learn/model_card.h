#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "learn/split.h"

namespace assay::learn {

/// What a model was made of: enough to make it again, and to tell whether it still fits what is
/// served.
struct ModelCard {
  std::string name;
  std::string version;  // id given by the catalog
  std::string service;
  std::string algorithm;                         // "gbdt"
  std::string objective;                         // "binary:logistic" or "reg:squarederror"
  std::vector<std::string> features;             // what the model reads, in its order
  std::vector<std::string> left_out;             // features of the service that no model can read
  std::map<std::string, uint64_t> fingerprints;  // view -> FeatureView::fingerprint()
  std::map<std::string, int64_t> data_versions;  // lake table -> version read
  std::map<std::string, double> parameters;
  std::string label;  // the expression
  int64_t train_rows = 0;
  int64_t test_rows = 0;
  int64_t unlabelled_rows = 0;
  TimeRange train_times;
  TimeRange test_times;
  std::map<std::string, double> metrics;  // of the test rows; see metrics.h
  double base_rate = 0;                   // of the test rows: share of ones, or mean label
  EventTime trained_at;
  bool operator==(const ModelCard&) const = default;
};

/// One JSON object; the format is drawn in docs/formats/model_card.md. A metric that is NaN is left
/// out.
std::string to_json(const ModelCard& card);

/// Read what to_json wrote. Members that are not known are ignored.
///
/// Errors  kCorrupt: not JSON, or a member is missing or of another kind, named.
Result<ModelCard> parse_model_card(std::string_view json);

}  // namespace assay::learn
