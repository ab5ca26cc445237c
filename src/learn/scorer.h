#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace assay::learn {

/// A trained model, ready to score rows: trees flattened from XGBoost's own JSON.
///
/// Threads immutable.
class Scorer {
 public:
  /// Errors  kCorrupt: not a model; kUnimplemented: a booster or objective we cannot score, named.
  static Result<std::shared_ptr<const Scorer>> load(std::string_view xgboost_json);
  virtual ~Scorer() = default;
  [[nodiscard]] virtual int feature_count() const = 0;
  /// Probability (binary:logistic) or value (reg:squarederror) for one row; NaN means missing.
  /// Equal to XGBoost's own prediction to the bit.
  [[nodiscard]] virtual float score(std::span<const float> features) const = 0;
};

}  // namespace assay::learn
