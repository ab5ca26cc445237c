#pragma once

#include <string>

#include "flow/workspace.h"
#include "gold/training_set.h"

namespace assay::flow {

/// Whether a training set sees what serving could have seen, or what a plain as-of join sees.
enum class KnownTime {
  kRespected,
  kIgnored,  // every row counts from its event time on: leaks the future
};

/// Label rows of a model: entity keys, request values, event_time, and the column `label`
/// (float64).
///
/// Shape   rows of the labels' table in event-time order (ties by sequence), those that `where`
/// keeps
///         and whose label is not null.
/// Errors  kInvalidArgument: the table lacks a key or request column of the service, or an
/// expression
///         does not compile.
Result<data::Batch> model_labels(Workspace& workspace,
                                 const catalog::ModelDef& model,
                                 const gold::Service& service);

/// Attach a service's features to label rows, from the steps tables.
///
/// With kIgnored the steps are computed anew, in memory, as if every row had been known at its
/// event time: what a join on event time alone gives. For measuring leakage, never for training.
Result<data::Batch> build_training_set(Workspace& workspace,
                                       const gold::Service& service,
                                       const data::Batch& labels,
                                       const gold::TrainingSetOptions& options,
                                       KnownTime known_time = KnownTime::kRespected);

}  // namespace assay::flow
