#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"

namespace assay::learn {

enum class TrainObjective {
  kBinary,   // the label is a boolean, or 0 and 1: the model gives a probability
  kNumeric,  // the label is a number: the model gives its expectation
};

/// Gradient-boosted trees, as many users know them. Defaults are what the `parameters` of a model
/// leave out.
struct TrainParameters {
  int trees = 200;
  int depth = 6;
  double learning_rate = 0.1;
  double min_child_weight = 1;
  double subsample = 1;      // share of rows a tree sees
  double column_sample = 1;  // share of features a tree sees
  double l2 = 1;             // weight of the squared leaf values
  int bins = 256;            // histogram bins of a feature
  int seed = 0;
  int threads = 2;
  bool operator==(const TrainParameters&) const = default;
};

/// Read the parameters of a model's definition.
///
/// Errors  kInvalidArgument: an unknown name (with the nearest one), or a value out of its range;
/// all
///         of them in one message.
Result<TrainParameters> read_parameters(const std::map<std::string, double>& parameters);
/// The same as a map, every value spelt out.
std::map<std::string, double> parameter_map(const TrainParameters& parameters);

struct TrainedModel {
  std::string json;                   // XGBoost's own format; Scorer::load takes it
  std::vector<std::string> features;  // what the model reads, in its order
  std::vector<std::string> left_out;  // asked for, but not a number or boolean
};

/// Train on all rows of a batch.
///
/// Nulls   a null feature is missing; a null label is kInvalidArgument (split_by_time drops such
/// rows). Errors  kNotFound: a column is missing; kInvalidArgument: a label of another type, no
/// row, no usable
///         feature, binary labels other than 0 and 1, or all of one class.
/// Threads one thread at a time. The same rows and parameters, threads included, give the same
/// bytes. Cost    4 bytes a value beside XGBoost's own 4 to 8.
Result<TrainedModel> train(const data::Batch& rows,
                           const std::vector<std::string>& features,
                           const std::string& label,
                           TrainObjective objective,
                           const TrainParameters& parameters);

/// Labels of a batch as the trainer sees them: booleans are 0 and 1. kInvalidArgument: another
/// type, or a null.
Result<std::vector<float>> label_values(const data::Batch& rows, const std::string& label);

/// Values of the named columns, row after row, as model_input gives them.
///
/// Errors  kNotFound: a column is missing; kInvalidArgument: one that is not a number or boolean.
Result<std::vector<float>> feature_matrix(const data::Batch& rows,
                                          const std::vector<std::string>& features);

}  // namespace assay::learn
