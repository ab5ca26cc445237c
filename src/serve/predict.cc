#include "serve/predict.h"

#include <algorithm>

namespace assay::serve {

Result<ServingModel> ServingModel::make(std::string name,
                                        std::string version,
                                        std::shared_ptr<const gold::Service> service,
                                        std::shared_ptr<const learn::Scorer> scorer,
                                        const std::vector<std::string>& feature_names) {
  ServingModel model{
      std::move(name), std::move(version), std::move(service), std::move(scorer), {}};
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

Result<Predictions> predict(const ServingModel& model,
                            const ViewReads& reads,
                            const RequestRows& rows,
                            EventTime now) {
  ASSAY_ASSIGN_OR_RETURN(FeatureAnswer answer, get_features(*model.service, reads, rows, now));
  std::vector<Prediction> predictions(static_cast<std::size_t>(rows.rows));
  std::vector<float> inputs(model.inputs.size());
  const int features = static_cast<int>(model.service->features.size());
  for (int64_t row = 0; row < rows.rows; ++row) {
    Prediction& prediction = predictions[static_cast<std::size_t>(row)];
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i] = learn::model_input(answer.value(model.inputs[i], row));
    }
    prediction.score = model.scorer->score(inputs);
    for (int feature = 0; feature < features; ++feature) {
      const data::FeatureStatus status = answer.status(feature, row);
      if (status == data::FeatureStatus::kNotFound ||
          (status == data::FeatureStatus::kOutsideMaxAge &&
           prediction.status == data::FeatureStatus::kPresent)) {
        prediction.status = status;
      }
    }
  }
  return Predictions{std::move(predictions), std::move(answer)};
}

}  // namespace assay::serve
