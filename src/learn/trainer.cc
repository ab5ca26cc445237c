#include "learn/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <xgboost/c_api.h>

#include "base/json_writer.h"
#include "base/suggest.h"
#include "learn/scorer.h"

// The one adapter of XGBoost's C API. Training uses the histogram method on the CPU.

namespace assay::learn {
namespace {

struct FreeMatrix {
  void operator()(void* matrix) const { static_cast<void>(XGDMatrixFree(matrix)); }
};
struct FreeBooster {
  void operator()(void* booster) const { static_cast<void>(XGBoosterFree(booster)); }
};
using Matrix = std::unique_ptr<void, FreeMatrix>;
using Booster = std::unique_ptr<void, FreeBooster>;

/// XGBoost's answer to a call as a Status; its message is its first line, the rest is a stack
/// trace.
Status check(int answer, std::string_view what) {
  if (answer == 0) {
    return {};
  }
  std::string message = XGBGetLastError();
  message.resize(std::min(message.find('\n'), message.size()));
  const Code code =
      message.find("bad_alloc") != std::string::npos ? Code::kResourceExhausted : Code::kInternal;
  return Status(code, message).with_context("XGBoost: " + std::string(what));
}

/// One parameter: its name, its place, and what it may be.
struct ParameterRule {
  const char* name;
  double TrainParameters::*real;
  int TrainParameters::*whole;
  double first;
  double last;
};
constexpr ParameterRule kRules[] = {
    {"trees", nullptr, &TrainParameters::trees, 1, 100'000},
    {"depth", nullptr, &TrainParameters::depth, 1, 30},
    {"learning_rate", &TrainParameters::learning_rate, nullptr, 1e-9, 1},
    {"min_child_weight", &TrainParameters::min_child_weight, nullptr, 0, 1e12},
    {"subsample", &TrainParameters::subsample, nullptr, 1e-9, 1},
    {"column_sample", &TrainParameters::column_sample, nullptr, 1e-9, 1},
    {"l2", &TrainParameters::l2, nullptr, 0, 1e12},
    {"bins", nullptr, &TrainParameters::bins, 2, 65'536},
    {"seed", nullptr, &TrainParameters::seed, 0, 2'147'483'647},
    {"threads", nullptr, &TrainParameters::threads, 1, 1024},
};

std::string number_text(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    return std::to_string(static_cast<int64_t>(value));
  }
  std::string text;
  append_json_number(text, value);
  return text;
}

/// Put `value` into its place; a text says what is wrong with it.
std::string put_parameter(const std::string& name, double value, TrainParameters& out) {
  for (const ParameterRule& rule : kRules) {
    if (name != rule.name) {
      continue;
    }
    const bool fits = value >= rule.first && value <= rule.last;
    if (!fits || (rule.whole != nullptr && value != std::floor(value))) {
      return name + " must be a " + (rule.whole != nullptr ? "whole number" : "number") + " from " +
             number_text(rule.first) + " to " + number_text(rule.last) + ", not " +
             number_text(value);
    }
    if (rule.whole != nullptr) {
      out.*rule.whole = static_cast<int>(value);
    } else {
      out.*rule.real = value;
    }
    return "";
  }
  std::vector<std::string> names;
  for (const ParameterRule& rule : kRules) {
    names.emplace_back(rule.name);
  }
  return "no training parameter is called " + name + did_you_mean(name, names);
}

Status check_labels(const std::vector<float>& labels, TrainObjective objective) {
  if (labels.empty()) {
    return {Code::kInvalidArgument, "no rows to train on"};
  }
  for (const float label : labels) {
    if (!std::isfinite(label)) {
      return {Code::kInvalidArgument, "a label is not a number (NaN); leave such rows out"};
    }
    if (objective == TrainObjective::kBinary && label != 0 && label != 1) {
      return {Code::kInvalidArgument,
              "a label of a binary model must be 0 or 1, not " + number_text(label)};
    }
  }
  const auto [least, most] = std::minmax_element(labels.begin(), labels.end());
  if (objective == TrainObjective::kBinary && *least == *most) {
    return {Code::kInvalidArgument,
            "all training labels are " + number_text(*least) + "; a model needs both"};
  }
  return {};
}

Result<Matrix> make_matrix(const std::vector<float>& values,
                           std::size_t width,
                           const std::vector<float>& labels) {
  DMatrixHandle raw = nullptr;
  ASSAY_RETURN_IF_ERROR(
      check(XGDMatrixCreateFromMat(
                values.data(), labels.size(), width, std::numeric_limits<float>::quiet_NaN(), &raw),
            "make the training matrix"));
  Matrix matrix(raw);
  ASSAY_RETURN_IF_ERROR(
      check(XGDMatrixSetFloatInfo(matrix.get(), "label", labels.data(), labels.size()),
            "set the labels"));
  return matrix;
}

Status set_parameters(BoosterHandle booster,
                      TrainObjective objective,
                      const TrainParameters& parameters) {
  const std::pair<const char*, std::string> settings[] = {
      {"booster", "gbtree"},
      {"objective", objective == TrainObjective::kBinary ? "binary:logistic" : "reg:squarederror"},
      {"tree_method", "hist"},
      {"max_depth", std::to_string(parameters.depth)},
      {"eta", number_text(parameters.learning_rate)},
      {"min_child_weight", number_text(parameters.min_child_weight)},
      {"subsample", number_text(parameters.subsample)},
      {"colsample_bytree", number_text(parameters.column_sample)},
      {"lambda", number_text(parameters.l2)},
      {"max_bin", std::to_string(parameters.bins)},
      {"seed", std::to_string(parameters.seed)},
      {"nthread", std::to_string(parameters.threads)},
      {"verbosity", "0"},
  };
  for (const auto& [name, value] : settings) {
    ASSAY_RETURN_IF_ERROR(check(XGBoosterSetParam(booster, name, value.c_str()), name));
  }
  return {};
}

Result<std::string> boost(const Matrix& matrix,
                          TrainObjective objective,
                          const TrainParameters& parameters) {
  DMatrixHandle matrices[] = {matrix.get()};
  BoosterHandle raw = nullptr;
  ASSAY_RETURN_IF_ERROR(check(XGBoosterCreate(matrices, 1, &raw), "make the model"));
  const Booster booster(raw);
  ASSAY_RETURN_IF_ERROR(set_parameters(booster.get(), objective, parameters));
  for (int tree = 0; tree < parameters.trees; ++tree) {
    ASSAY_RETURN_IF_ERROR(
        check(XGBoosterUpdateOneIter(booster.get(), tree, matrix.get()), "grow a tree"));
  }
  bst_ulong size = 0;
  const char* bytes = nullptr;
  ASSAY_RETURN_IF_ERROR(
      check(XGBoosterSaveModelToBuffer(booster.get(), R"({"format": "json"})", &size, &bytes),
            "write the model"));
  return std::string(bytes, size);
}

}  // namespace

Result<TrainParameters> read_parameters(const std::map<std::string, double>& parameters) {
  TrainParameters out;
  std::string wrong;
  for (const auto& [name, value] : parameters) {
    const std::string message = put_parameter(name, value, out);
    if (!message.empty()) {
      wrong += (wrong.empty() ? "" : "; ") + message;
    }
  }
  if (!wrong.empty()) {
    return Status(Code::kInvalidArgument, wrong);
  }
  return out;
}

std::map<std::string, double> parameter_map(const TrainParameters& parameters) {
  std::map<std::string, double> out;
  for (const ParameterRule& rule : kRules) {
    out[rule.name] = rule.whole != nullptr ? parameters.*rule.whole : parameters.*rule.real;
  }
  return out;
}

Result<TrainedModel> train(const data::Batch& rows,
                           const std::vector<std::string>& features,
                           const std::string& label,
                           TrainObjective objective,
                           const TrainParameters& parameters) {
  TrainedModel model;
  for (const std::string& name : features) {
    const data::Column* column = rows.find(name);
    const bool left_out = column != nullptr && !is_model_input(column->type());
    (left_out ? model.left_out : model.features).push_back(name);
  }
  if (model.features.empty()) {
    return Status(Code::kInvalidArgument, "no feature is a number or boolean; a model needs one");
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<float> labels, label_values(rows, label));
  ASSAY_RETURN_IF_ERROR(check_labels(labels, objective));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<float> values, feature_matrix(rows, model.features));
  ASSAY_ASSIGN_OR_RETURN(const Matrix matrix, make_matrix(values, model.features.size(), labels));
  ASSAY_ASSIGN_OR_RETURN(model.json, boost(matrix, objective, parameters));
  return model;
}

}  // namespace assay::learn
