#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "serve/get.h"
#include "serve/serving_state.h"

namespace assay::serve {

struct Prediction {
  float score = 0;
  /// PRESENT when every feature view answered; else the worst of NOT_FOUND and OUTSIDE_MAX_AGE. The
  /// score is the model's either way: missing values are missing to it.
  data::FeatureStatus status = data::FeatureStatus::kPresent;
  std::shared_ptr<const ServingModel> by{};  // the challenger that answered; nullptr: the model
};

/// Scores that are not answered, of one challenger.
struct ShadowScores {
  std::shared_ptr<const ServingModel> by;
  std::vector<std::optional<float>> scores;  // in request order; nothing where it answered
};

struct Predictions {
  std::vector<Prediction> rows;  // in request order
  FeatureAnswer features;        // what was scored
  std::vector<ShadowScores> shadows{};
};

/// Fetch the features of a model's service and score each row: by the model, or by the challenger
/// in whose share the entity is, the same for every request and on every server.
///
/// `with_shadows`: scores that nobody is answered are wanted too.
///
/// Errors  as get_features.
/// Threads thread-safe.
Result<Predictions> predict(const ServingModel& model,
                            const ViewReads& reads,
                            const RequestRows& rows,
                            EventTime now,
                            bool with_shadows = true);
/// The same of a model without challengers from features of its flat service, which are not among
/// what is returned. `goes_on`: of the question's Pace.
Result<Predictions> predict(const ServingModel& model,
                            const FlatAnswer& features,
                            const std::function<Status()>& goes_on = {});
/// The same from a store.
Result<Predictions> predict(const ServingModel& model,
                            online::OnlineStore& store,
                            const RequestRows& rows,
                            EventTime now);

}  // namespace assay::serve
