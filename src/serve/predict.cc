#include "serve/predict.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "serve/key_share.h"
#include "serve/pace.h"

namespace assay::serve {

Result<ServingModel> ServingModel::make(std::string name,
                                        std::string version,
                                        std::shared_ptr<const gold::Service> service,
                                        std::shared_ptr<const learn::Scorer> scorer,
                                        const std::vector<std::string>& feature_names) {
  ServingModel model{
      std::move(name), std::move(version), std::move(service), std::move(scorer), {}, {}};
  const std::string retrain = "; train it again: model " + model.name;
  if (static_cast<int>(feature_names.size()) != model.scorer->feature_count()) {
    return Status(Code::kFailedPrecondition,
                  "the model takes " + std::to_string(model.scorer->feature_count()) +
                      " features, its card names " + std::to_string(feature_names.size()) +
                      retrain);
  }
  const int count = static_cast<int>(model.service->features.size());
  for (const std::string& feature : feature_names) {
    int index = 0;
    while (index < count && model.service->output_name(index, false) != feature &&
           model.service->output_name(index, true) != feature) {
      ++index;
    }
    if (index == count) {
      return Status(
          Code::kFailedPrecondition,
          "service " + model.service->name + " no longer has feature " + feature + retrain);
    }
    model.inputs.push_back(index);
  }
  return model;
}

Result<Predictions> predict(const ServingModel& model,
                            online::OnlineStore& store,
                            const RequestRows& rows,
                            EventTime now) {
  return predict(model, ViewReads::of(store, now), rows, now);
}

namespace {

/// Scores rows of one answer, for one model.
class RowScorer {
 public:
  RowScorer(const ServingModel& model, const FeatureAnswer& answer)
      : model_(model), answer_(answer), inputs_(model.inputs.size()) {}
  float score(int64_t row) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      inputs_[i] = learn::model_input(answer_.value(model_.inputs[i], row));
    }
    return model_.scorer->score(inputs_);
  }

 private:
  const ServingModel& model_;
  const FeatureAnswer& answer_;
  std::vector<float> inputs_;
};

/// What a model sees of a value as it was read.
float flat_input(const FlatAnswer& answer, const gold::ServiceFeature& feature, int64_t row) {
  const std::size_t at = answer.at(feature, row);
  if (answer.values.status(at) != data::FeatureStatus::kPresent ||
      !learn::is_model_input(feature.type)) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  return data::is_real(feature.type) ? learn::model_input(answer.values.real(at))
                                     : static_cast<float>(answer.values.integer(at));
}

/// `status_of`: of a feature.
template <typename StatusOf>
data::FeatureStatus worst_status(std::size_t features, const StatusOf& status_of) {
  data::FeatureStatus worst = data::FeatureStatus::kPresent;
  for (std::size_t feature = 0; feature < features; ++feature) {
    const data::FeatureStatus status = status_of(feature);
    if (status == data::FeatureStatus::kNotFound ||
        (status == data::FeatureStatus::kOutsideMaxAge && worst == data::FeatureStatus::kPresent)) {
      worst = status;
    }
  }
  return worst;
}

/// The challenger in whose share the entity of a row is; nullptr for the model itself. Shares stand
/// one behind the other.
const ServingModel::Challenger* answering(const ServingModel& model,
                                          const RequestRows& rows,
                                          int64_t row) {
  constexpr uint64_t kSeed = 0xc4a11e;
  const std::optional<double> place =
      place_of(keys_of(*model.service, rows, row), hash_bytes(model.name, kSeed));
  double end = 0;
  for (const ServingModel::Challenger& challenger : model.challengers) {
    end += challenger.share;
    if (place.has_value() && *place < end) {
      return &challenger;
    }
  }
  return nullptr;
}

Status score_challengers(const ServingModel& model,
                         const RequestRows& rows,
                         bool with_shadows,
                         const std::function<Status()>& goes_on,
                         Predictions* predictions) {
  std::vector<const ServingModel::Challenger*> by;
  by.reserve(static_cast<std::size_t>(rows.rows));
  for (int64_t row = 0; row < rows.rows; ++row) {
    by.push_back(answering(model, rows, row));
  }
  for (const ServingModel::Challenger& challenger : model.challengers) {
    if (challenger.model == nullptr) {
      continue;
    }
    ASSAY_CHECK(challenger.model->service->name == model.service->name);
    const bool shadows = with_shadows && challenger.shadow;
    RowScorer scorer(*challenger.model, predictions->features);
    ShadowScores shadow{challenger.model, {}};
    LookByRows wanted(goes_on);
    for (std::size_t row = 0; row < by.size(); ++row) {
      ASSAY_RETURN_IF_ERROR(wanted.look());
      const auto score = by[row] == &challenger || shadows
                             ? std::optional(scorer.score(static_cast<int64_t>(row)))
                             : std::nullopt;
      if (by[row] == &challenger) {
        predictions->rows[row].score = *score;
        predictions->rows[row].by = challenger.model;
      }
      shadow.scores.push_back(by[row] == &challenger ? std::nullopt : score);
    }
    if (shadows) {
      predictions->shadows.push_back(std::move(shadow));
    }
  }
  return {};
}

}  // namespace

Result<Predictions> predict(const ServingModel& model,
                            const ViewReads& reads,
                            const RequestRows& rows,
                            EventTime now,
                            bool with_shadows) {
  ASSAY_ASSIGN_OR_RETURN(FeatureAnswer answer, get_features(*model.service, reads, rows, now));
  Predictions predictions{std::vector<Prediction>(static_cast<std::size_t>(rows.rows)),
                          std::move(answer)};
  RowScorer scorer(model, predictions.features);
  LookByRows wanted(reads.goes_on);
  for (int64_t row = 0; row < rows.rows; ++row) {
    ASSAY_RETURN_IF_ERROR(wanted.look());
    Prediction& prediction = predictions.rows[static_cast<std::size_t>(row)];
    prediction.score = scorer.score(row);
    prediction.status = worst_status(model.service->features.size(), [&](std::size_t feature) {
      return predictions.features.status(static_cast<int>(feature), row);
    });
  }
  if (!model.challengers.empty()) {
    ASSAY_RETURN_IF_ERROR(
        score_challengers(model, rows, with_shadows, reads.goes_on, &predictions));
  }
  return predictions;
}

Result<Predictions> predict(const ServingModel& model,
                            const FlatAnswer& features,
                            const std::function<Status()>& goes_on) {
  const std::vector<gold::ServiceFeature>& all = model.service->features;
  Predictions predictions{std::vector<Prediction>(static_cast<std::size_t>(features.rows)),
                          FeatureAnswer(0, features.rows)};
  predictions.features.now = features.now;
  predictions.features.known_until = features.known_until;
  std::vector<float> inputs(model.inputs.size());
  LookByRows wanted(goes_on);
  for (int64_t row = 0; row < features.rows; ++row) {
    ASSAY_RETURN_IF_ERROR(wanted.look());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i] = flat_input(features, all[static_cast<std::size_t>(model.inputs[i])], row);
    }
    Prediction& prediction = predictions.rows[static_cast<std::size_t>(row)];
    prediction.score = model.scorer->score(inputs);
    prediction.status = worst_status(all.size(), [&](std::size_t feature) {
      return features.values.status(features.at(all[feature], row));
    });
  }
  return predictions;
}

}  // namespace assay::serve
