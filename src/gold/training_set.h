#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "gold/service.h"
#include "gold/service_values.h"

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

/// What one view answers to some label rows.
struct ViewAnswers {
  std::vector<data::ColumnPtr> columns;       // one per feature of the view, row by row
  std::vector<data::FeatureStatus> statuses;  // per row; kPresent also where a value is null
  std::vector<data::ColumnPtr> overflows{};   // per feature: its overflow column, or nullptr
};

/// The columns of labels that a training set needs: keys and request values of the service, and the
/// time.
///
/// Errors  kInvalidArgument names the first that is missing or of another type, or a label column
/// that has the name of a feature.
Status check_label_columns(const Service& service,
                           const data::Schema& labels,
                           const TrainingSetOptions& options);

/// The values of label rows, whose views are yet to be set: columns that check_label_columns found.
ServiceValues values_of_labels(const Service& service,
                               const data::Batch& labels,
                               const TrainingSetOptions& options);

/// Put label rows and the answers of the service's views side by side, and compute on-demand
/// features.
///
/// Shape   as training_set; `answers` in the order of service.views. Rows are independent: a set
///         may be assembled piece by piece.
Result<data::Batch> assemble_training_set(const Service& service,
                                          const data::Batch& labels,
                                          const std::vector<ViewAnswers>& answers,
                                          const TrainingSetOptions& options);

/// Whether the answer of a step is too old at `time`.
inline bool is_too_old(const FeatureView& view, int64_t time, int64_t step_event_time) {
  // A step is never newer than what it answers, so the difference fits unsigned arithmetic.
  return view.ttl() && step_event_time <= time &&
         static_cast<uint64_t>(time) - static_cast<uint64_t>(step_event_time) >
             static_cast<uint64_t>(view.ttl()->micros);
}

/// Drop matches with steps that say there is no answer any more, and those whose answer is too old
/// at the label's time. `event_time`: of the steps.
void judge_age(const FeatureView& view,
               const data::Column& label_time,
               const data::Column& event_time,
               data::AsofMatch* match);

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
