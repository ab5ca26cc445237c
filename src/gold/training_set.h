#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "gold/service.h"

namespace assay::gold {

struct TrainingSetOptions {
  std::string time_column = "event_time";  // of the labels: the instant of the question
  bool full_feature_names = false;
  bool with_statuses = false;  // one more string column per feature: <name>__status
  int threads = 2;
};

/// Gives the steps rows (steps_schema) of one view that may answer labels of the given time range.
using StepsSource = std::function<Result<data::Batch>(
    const FeatureView& view, EventTime first_label, EventTime last_label)>;

/// Attach to each label row the service's features as serving would have answered at its time.
///
/// Shape   one output row per label row, in label order: the label columns, then the features.
/// Time    microseconds UTC; a step answers from its known_time on, while t - event_time <= ttl.
/// Ties    none: steps of one entity differ in known_time.
/// Nulls   no answer gives null features; a null key or time never matches.
/// Errors  kInvalidArgument: labels lack a key, request or time column, or its type differs.
/// Threads one call at a time; the result does not depend on options.threads.
/// Source  docs/semantics.md
Result<data::Batch> training_set(const Service& service,
                                 const data::Batch& labels,
                                 const StepsSource& steps,
                                 const TrainingSetOptions& options);

/// The rows as if every event had been known the moment it happened: known_time := event_time.
///
/// Steps of these rows give the training set of a join that ignores known time: what it gets wrong
/// is the difference to training_set over the true rows. Errors  kInvalidArgument: the rows lack
/// event_time or known_time.
Result<data::Batch> assume_known_at_event_time(const data::Batch& rows);

}  // namespace assay::gold
