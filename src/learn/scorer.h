#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/scalar.h"

namespace assay::learn {

/// What a model sees of one feature value, in training and in serving alike: the nearest float, 1
/// and 0 for true and false, NaN for null and for types that no model takes.
///
/// Values beyond float's range, infinities included, become its largest and smallest finite values:
/// a tree only compares, and XGBoost refuses infinities in training.
float model_input(const data::Scalar& value);
/// The same of a number with a fraction.
float model_input(double value);
/// True for the types that a model takes: numbers and booleans.
bool is_model_input(data::Type type);

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
  /// `features` holds feature_count() values, in the order of training.
  /// Equal to XGBoost's own prediction to the bit.
  [[nodiscard]] virtual float score(std::span<const float> features) const = 0;
};

}  // namespace assay::learn
