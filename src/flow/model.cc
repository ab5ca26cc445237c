#include "flow/model.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "learn/scorer.h"
#include "learn/split.h"
#include "learn/trainer.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

constexpr char kLabel[] = "label";
constexpr char kOffline[] = "run `assay run` first, or look at the labels with `assay sql`";

const catalog::ModelDef& definition_of(Workspace& workspace, const std::string& model) {
  return workspace.project().models.at(model);
}

std::vector<std::string> feature_names(const gold::Service& service) {
  std::vector<std::string> names;
  for (int feature = 0; feature < static_cast<int>(service.features.size()); ++feature) {
    names.push_back(service.output_name(feature, false));
  }
  return names;
}

learn::TrainObjective objective_of(const data::Batch& rows) {
  const data::Column& label = *rows.find(kLabel);
  for (const double value : label.values<double>()) {
    if (value != 0 && value != 1) {
      return learn::TrainObjective::kNumeric;
    }
  }
  return learn::TrainObjective::kBinary;
}

struct Fitted {
  learn::TrainedModel model;
  std::shared_ptr<const learn::Scorer> scorer;
};

Result<Fitted> fit(const data::Batch& rows,
                   const std::vector<std::string>& features,
                   learn::TrainObjective objective,
                   const learn::TrainParameters& parameters) {
  Fitted fitted;
  ASSAY_ASSIGN_OR_RETURN(fitted.model, learn::train(rows, features, kLabel, objective, parameters));
  ASSAY_ASSIGN_OR_RETURN(fitted.scorer, learn::Scorer::load(fitted.model.json));
  return fitted;
}

Result<std::vector<float>> score_rows(const Fitted& fitted, const data::Batch& rows) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<float> matrix,
                         learn::feature_matrix(rows, fitted.model.features));
  const std::size_t width = fitted.model.features.size();
  std::vector<float> scores;
  scores.reserve(static_cast<std::size_t>(rows.rows()));
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows.rows()); ++row) {
    scores.push_back(fitted.scorer->score({matrix.data() + row * width, width}));
  }
  return scores;
}

/// Everything that the card says about where the model came from.
Status describe_origin(Workspace& workspace,
                       const catalog::ModelDef& definition,
                       const gold::Service& service,
                       learn::ModelCard* card) {
  card->fingerprints = workspace.service_fingerprints(service);
  std::set<std::string> tables;
  ASSAY_ASSIGN_OR_RETURN(const std::string labels,
                         workspace.source_table_key(definition.labels_from));
  tables.insert(labels);
  for (const gold::FeatureViewPtr& view : service.views) {
    ASSAY_ASSIGN_OR_RETURN(const std::string steps, workspace.steps_table_key(*view));
    tables.insert(steps);
  }
  for (const std::string& key : tables) {
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(key));
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
    card->data_versions[key] = snapshot->version;
  }
  return {};
}

Status judge(const Fitted& fitted,
             const learn::TimeSplit& split,
             learn::TrainObjective objective,
             learn::ModelCard* card) {
  if (split.test.rows() == 0) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<float> scores, score_rows(fitted, split.test));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<float> labels, learn::label_values(split.test, kLabel));
  if (objective == learn::TrainObjective::kBinary) {
    ASSAY_ASSIGN_OR_RETURN(const learn::BinaryMetrics metrics,
                           learn::binary_metrics(scores, labels));
    card->metrics = learn::metric_map(metrics);
    card->base_rate = metrics.base_rate;
  } else {
    ASSAY_ASSIGN_OR_RETURN(const learn::NumericMetrics metrics,
                           learn::numeric_metrics(scores, labels));
    card->metrics = learn::metric_map(metrics);
    card->base_rate = metrics.label_mean;
  }
  return {};
}

double seconds_since(Workspace& workspace, Duration started) {
  return static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
}

/// The labels of a model, with enough of them to learn from.
Result<data::Batch> labels_to_learn_from(Workspace& workspace,
                                         const catalog::ModelDef& definition,
                                         const gold::Service& service) {
  ASSAY_ASSIGN_OR_RETURN(data::Batch labels, model_labels(workspace, definition, service));
  if (labels.rows() < 10) {
    return Status(Code::kFailedPrecondition,
                  "model " + definition.name + " has " + std::to_string(labels.rows()) +
                      " label rows, too few to learn from; " + kOffline);
  }
  return labels;
}

bool same_value(const data::Column& a, const data::Column& b, int64_t row) {
  if (a.is_null(row) || b.is_null(row)) {
    return a.is_null(row) == b.is_null(row);
  }
  return a.scalar(row) == b.scalar(row);
}

/// Count values and rows of `leaky` that differ from `honest`.
void count_wrong(const data::Batch& honest,
                 const data::Batch& leaky,
                 const std::vector<std::string>& features,
                 LeakageReport* report) {
  std::vector<bool> wrong(static_cast<std::size_t>(honest.rows()), false);
  for (const std::string& feature : features) {
    const data::Column& a = *honest.find(feature);
    const data::Column& b = *leaky.find(feature);
    for (int64_t row = 0; row < honest.rows(); ++row) {
      report->values += 1;
      if (!same_value(a, b, row)) {
        report->values_wrong += 1;
        wrong[static_cast<std::size_t>(row)] = true;
      }
    }
  }
  report->rows = honest.rows();
  report->rows_wrong = std::count(wrong.begin(), wrong.end(), true);
}

Result<learn::BinaryMetrics> test_on(const Fitted& fitted, const data::Batch& rows) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<float> scores, score_rows(fitted, rows));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<float> labels, learn::label_values(rows, kLabel));
  return learn::binary_metrics(scores, labels);
}

}  // namespace

Result<TrainReport> train_model(Workspace& workspace,
                                const std::string& model,
                                const RunOptions& options) {
  const catalog::ModelDef& definition = definition_of(workspace, model);
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace.service(definition.service));
  ASSAY_ASSIGN_OR_RETURN(learn::TrainParameters parameters,
                         learn::read_parameters(definition.parameters));
  TrainReport report;
  report.model = model;

  options.say("labels and features of model " + model);
  Duration started = workspace.world().clock.monotonic();
  ASSAY_ASSIGN_OR_RETURN(const data::Batch labels,
                         labels_to_learn_from(workspace, definition, *service));
  gold::TrainingSetOptions set_options;
  set_options.threads = options.threads;
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                         build_training_set(workspace, *service, labels, set_options));
  report.training_set_seconds = seconds_since(workspace, started);
  ASSAY_ASSIGN_OR_RETURN(
      const learn::TimeSplit split,
      learn::split_by_time(rows, silver::kEventTime, kLabel, definition.split_by_time));
  const learn::TrainObjective objective = objective_of(rows);

  options.say("training on " + std::to_string(split.train.rows()) + " rows");
  started = workspace.world().clock.monotonic();
  ASSAY_ASSIGN_OR_RETURN(const Fitted fitted,
                         fit(split.train, feature_names(*service), objective, parameters));
  report.training_seconds = seconds_since(workspace, started);

  learn::ModelCard& card = report.card;
  card.name = model;
  card.service = definition.service;
  card.algorithm = definition.algorithm;
  card.objective =
      objective == learn::TrainObjective::kBinary ? "binary:logistic" : "reg:squarederror";
  card.features = fitted.model.features;
  card.left_out = fitted.model.left_out;
  card.parameters = learn::parameter_map(parameters);
  card.label = definition.label;
  card.train_rows = split.train.rows();
  card.test_rows = split.test.rows();
  card.unlabelled_rows = split.unlabelled;
  card.train_times = split.train_times;
  card.test_times = split.test_times;
  card.trained_at = workspace.world().clock.now();
  ASSAY_RETURN_IF_ERROR(describe_origin(workspace, definition, *service, &card));
  ASSAY_RETURN_IF_ERROR(judge(fitted, split, objective, &card));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::ModelRow> earlier,
                         workspace.catalog().models(model));
  card.version = std::to_string(earlier.empty() ? 1 : earlier.back().version + 1);
  ASSAY_ASSIGN_OR_RETURN(
      report.version,
      workspace.catalog().add_model(model,
                                    learn::to_json(card),
                                    fitted.model.json,
                                    workspace.definitions(),
                                    workspace.serving_instant()));
  report.left_out = fitted.model.left_out;
  return report;
}

Result<LeakageReport> measure_leakage(Workspace& workspace,
                                      const std::string& model,
                                      const RunOptions& options) {
  const catalog::ModelDef& definition = definition_of(workspace, model);
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace.service(definition.service));
  ASSAY_ASSIGN_OR_RETURN(const learn::TrainParameters parameters,
                         learn::read_parameters(definition.parameters));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch labels,
                         labels_to_learn_from(workspace, definition, *service));
  gold::TrainingSetOptions set_options;
  set_options.threads = options.threads;
  options.say("training set with known time");
  ASSAY_ASSIGN_OR_RETURN(const data::Batch honest,
                         build_training_set(workspace, *service, labels, set_options));
  options.say("training set without known time");
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch leaky,
      build_training_set(workspace, *service, labels, set_options, KnownTime::kIgnored));
  if (objective_of(honest) != learn::TrainObjective::kBinary) {
    return Status(Code::kUnimplemented,
                  "leakage is measured by AUC, which needs a label of 0 and 1");
  }
  LeakageReport report;
  report.model = model;
  const std::vector<std::string> features = feature_names(*service);
  count_wrong(honest, leaky, features, &report);

  const auto split = [&](const data::Batch& rows) {
    return learn::split_by_time(rows, silver::kEventTime, kLabel, definition.split_by_time);
  };
  ASSAY_ASSIGN_OR_RETURN(const learn::TimeSplit honest_split, split(honest));
  ASSAY_ASSIGN_OR_RETURN(const learn::TimeSplit leaky_split, split(leaky));
  options.say("training both");
  ASSAY_ASSIGN_OR_RETURN(
      const Fitted honest_fit,
      fit(honest_split.train, features, learn::TrainObjective::kBinary, parameters));
  ASSAY_ASSIGN_OR_RETURN(
      const Fitted leaky_fit,
      fit(leaky_split.train, features, learn::TrainObjective::kBinary, parameters));
  ASSAY_ASSIGN_OR_RETURN(report.honest, test_on(honest_fit, honest_split.test));
  ASSAY_ASSIGN_OR_RETURN(report.leaky, test_on(leaky_fit, leaky_split.test));
  ASSAY_ASSIGN_OR_RETURN(report.leaky_served, test_on(leaky_fit, honest_split.test));
  return report;
}

}  // namespace assay::flow
