// A training set is one as-of join per view, along known_time: the steps table already says from
// when on an answer was the answer. Then on-demand features, over the joined rows, by the code that
// serves them.

#include "gold/training_set.h"

#include <algorithm>
#include <utility>

#include "data/asof_join.h"
#include "gold/view_layout.h"

namespace assay::gold {
namespace {

using data::FeatureStatus;

/// Every feature of one view, row by row with the labels.
struct ViewAnswers {
  std::vector<data::ColumnPtr> columns;              // one per feature of the view
  std::vector<std::vector<FeatureStatus>> statuses;  // likewise
};

Status invalid(const std::string& message) {
  return {Code::kInvalidArgument, message};
}

struct TimeRange {
  EventTime first = EventTime::max();
  EventTime last = EventTime::min();
};

TimeRange range_of(const data::Column& times) {
  TimeRange range;
  for (int64_t row = 0; row < times.size(); ++row) {
    if (times.is_valid(row)) {
      const EventTime time{times.values<int64_t>()[static_cast<std::size_t>(row)]};
      range.first = std::min(range.first, time);
      range.last = std::max(range.last, time);
    }
  }
  return range;
}

std::vector<const data::Column*> pointers(const std::vector<data::ColumnPtr>& columns) {
  std::vector<const data::Column*> result;
  for (const data::ColumnPtr& column : columns) {
    result.push_back(column.get());
  }
  return result;
}

/// Drop matches whose answer is too old at the label's time.
void apply_ttl(const FeatureView& view,
               const data::Column& label_time,
               const data::Column& event_time,
               data::AsofMatch* match) {
  if (!view.ttl()) {
    return;
  }
  for (std::size_t i = 0; i < match->rows.size(); ++i) {
    if (match->rows[i] >= 0) {
      const auto row = static_cast<std::size_t>(match->rows[i]);
      const int64_t age = label_time.values<int64_t>()[i] - event_time.values<int64_t>()[row];
      if (age > view.ttl()->micros) {
        match->rows[i] = -1;
        match->statuses[i] = FeatureStatus::kOutsideMaxAge;
      }
    }
  }
}

Result<ViewAnswers> answer_view(const FeatureView& view,
                                const data::Batch& labels,
                                const data::ColumnPtr& label_time,
                                const StepsSource& source,
                                const TrainingSetOptions& options) {
  const TimeRange range = range_of(*label_time);
  data::Batch steps = data::Batch::empty(view.steps_schema());
  if (range.first <= range.last) {
    ASSAY_ASSIGN_OR_RETURN(steps, source(view, range.first, range.last));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> label_keys,
                         columns_as(view.keys(), labels));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> step_keys,
                         columns_as(view.keys(), steps));
  const std::vector<data::Field> times = {{kEventTime, data::Type::kTimestamp, false},
                                          {kKnownTime, data::Type::kTimestamp, false}};
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> step_times, columns_as(times, steps));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> features,
                         columns_as(view.features(), steps));

  // A step answers from its known_time on, whatever its event_time: that one only ages it.
  const data::AsofLabels left{pointers(label_keys), label_time.get()};
  const data::AsofRows right{
      pointers(step_keys), step_times[1].get(), step_times[1].get(), nullptr};
  data::AsofOptions join;
  join.threads = options.threads;
  ASSAY_ASSIGN_OR_RETURN(data::AsofMatch match, data::asof_join(left, right, join));
  apply_ttl(view, *label_time, *step_times[0], &match);

  ViewAnswers answers;
  for (const data::ColumnPtr& column : features) {
    answers.columns.push_back(data::take(*column, match.rows));
    std::vector<FeatureStatus> statuses = match.statuses;
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      if (match.rows[i] >= 0 && column->is_null(match.rows[i])) {
        statuses[i] = FeatureStatus::kNullValue;
      }
    }
    answers.statuses.push_back(std::move(statuses));
  }
  return answers;
}

/// Puts label columns and features side by side.
class TrainingSet {
 public:
  TrainingSet(const Service& service, const data::Batch& labels, const TrainingSetOptions& options)
      : service_(service), labels_(labels), options_(options), found_(labels) {}

  Result<data::Batch> build(const data::ColumnPtr& label_time, const StepsSource& source) {
    std::vector<ViewAnswers> answers;
    for (const FeatureViewPtr& view : service_.views) {
      Result<ViewAnswers> one = answer_view(*view, labels_, label_time, source, options_);
      if (!one.ok()) {
        return std::move(one).status().with_context("feature view `" + view->name() + "`");
      }
      answers.push_back(std::move(one).value());
    }
    std::vector<data::Batch> computed(service_.on_demand.size());
    for (std::size_t i = 0; i < service_.features.size(); ++i) {
      const ServiceFeature& feature = service_.features[i];
      const auto index = static_cast<std::size_t>(feature.feature_index);
      if (feature.view_index >= 0) {
        ViewAnswers& view = answers[static_cast<std::size_t>(feature.view_index)];
        add(feature, view.columns[index], view.statuses[index]);
        continue;
      }
      const auto on_demand = static_cast<std::size_t>(feature.on_demand_index);
      if (computed[on_demand].column_count() == 0) {
        ASSAY_ASSIGN_OR_RETURN(computed[on_demand], evaluate(*service_.on_demand[on_demand]));
      }
      const data::ColumnPtr column = computed[on_demand].column_ptr(feature.feature_index);
      std::vector<FeatureStatus> statuses;
      for (int64_t row = 0; row < column->size(); ++row) {
        statuses.push_back(column->is_null(row) ? FeatureStatus::kNullValue
                                                : FeatureStatus::kPresent);
      }
      add(feature, column, statuses);
    }
    return finish();
  }

 private:
  /// Inputs are request values, found among the labels, and features found so far.
  Result<data::Batch> evaluate(const OnDemandView& view) const {
    std::vector<data::Field> fields;
    std::vector<data::ColumnPtr> columns;
    for (const std::string& name : view.inputs()) {
      const auto known = std::find_if(features_.begin(),
                                      features_.end(),
                                      [&](const Feature& feature) { return feature.name == name; });
      if (known != features_.end()) {
        fields.push_back({name, known->column->type(), true});
        columns.push_back(known->column);
        continue;
      }
      const std::optional<int> index = labels_.schema().find(name);
      if (!index) {
        return invalid("the labels have no column `" + name +
                       "`, a request value of on-demand view `" + view.name() + "`");
      }
      fields.push_back(labels_.schema().field(*index));
      columns.push_back(labels_.column_ptr(*index));
    }
    return view.evaluate(
        data::Batch(data::make_schema(std::move(fields)), std::move(columns), labels_.rows()));
  }

  void add(const ServiceFeature& feature,
           const data::ColumnPtr& column,
           const std::vector<FeatureStatus>& statuses) {
    Feature added{feature.name, column, nullptr};
    if (options_.with_statuses) {
      data::ColumnBuilder builder(data::Type::kString);
      for (const FeatureStatus status : statuses) {
        builder.append_text(data::status_name(status));
      }
      added.statuses = builder.finish();
    }
    features_.push_back(std::move(added));
  }

  Result<data::Batch> finish() {
    for (std::size_t i = 0; i < features_.size(); ++i) {
      const std::string name =
          service_.output_name(static_cast<int>(i), options_.full_feature_names);
      ASSAY_RETURN_IF_ERROR(add_column(name, features_[i].column));
      if (features_[i].statuses != nullptr) {
        ASSAY_RETURN_IF_ERROR(add_column(name + "__status", features_[i].statuses));
      }
    }
    return found_;
  }

  Status add_column(const std::string& name, const data::ColumnPtr& column) {
    if (found_.find(name) != nullptr) {
      return invalid("the labels already have a column `" + name +
                     "`: rename it, or ask for full feature names");
    }
    found_ = found_.with_column({name, column->type(), true}, column);
    return {};
  }

  struct Feature {
    std::string name;
    data::ColumnPtr column;
    data::ColumnPtr statuses;
  };

  const Service& service_;
  const data::Batch& labels_;
  const TrainingSetOptions& options_;
  data::Batch found_;
  std::vector<Feature> features_;
};

}  // namespace

Result<data::Batch> training_set(const Service& service,
                                 const data::Batch& labels,
                                 const StepsSource& steps,
                                 const TrainingSetOptions& options) {
  const std::optional<int> time = labels.schema().find(options.time_column);
  if (!time || labels.column(*time).type() != data::Type::kTimestamp) {
    return invalid("the labels need a timestamp column `" + options.time_column + "`");
  }
  return TrainingSet(service, labels, options).build(labels.column_ptr(*time), steps);
}

Result<data::Batch> assume_known_at_event_time(const data::Batch& rows) {
  const std::optional<int> event_time = rows.schema().find(kEventTime);
  const std::optional<int> known_time = rows.schema().find(kKnownTime);
  if (!event_time || !known_time) {
    return invalid("rows need columns event_time and known_time");
  }
  std::vector<data::ColumnPtr> columns;
  for (int i = 0; i < rows.column_count(); ++i) {
    columns.push_back(rows.column_ptr(i == *known_time ? *event_time : i));
  }
  return data::Batch(rows.schema_ptr(), std::move(columns), rows.rows());
}

}  // namespace assay::gold
