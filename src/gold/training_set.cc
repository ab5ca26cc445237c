// A training set is one as-of join per view, along known_time: the steps table already says from
// when on an answer was the answer. Then on-demand features, over the joined rows, by the code that
// serves them.

#include "gold/training_set.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/suggest.h"
#include "data/asof_index.h"
#include "data/gather.h"
#include "gold/view_layout.h"

namespace assay::gold {
namespace {

using data::FeatureStatus;

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

/// The labels in order, once for each set of keys that they are asked with.
class LabelIndexes {
 public:
  LabelIndexes(const data::Column& time, int threads) : time_(time), threads_(threads) {}

  /// `keys`: of the view; computed ones are of no other view.
  Result<const data::AsofIndex*> of(const FeatureView& view,
                                    const std::vector<data::ColumnPtr>& keys,
                                    bool computed) {
    std::vector<std::string> names;
    std::vector<data::Type> types;
    for (const data::Field& key : view.keys()) {
      names.push_back(key.name);
      types.push_back(key.type);
    }
    if (computed) {
      names.push_back("#" + std::to_string(indexes_.size()));
    }
    const auto found = indexes_.find(names);
    if (found != indexes_.end()) {
      return &found->second;
    }
    data::AsofIndex index(std::move(types), threads_);
    ASSAY_RETURN_IF_ERROR(index.add({data::pointers(keys), &time_}));
    index.seal();
    return &indexes_.emplace(std::move(names), std::move(index)).first->second;
  }

 private:
  const data::Column& time_;
  int threads_;
  std::map<std::vector<std::string>, data::AsofIndex> indexes_;
};

Result<ViewAnswers> answer_view(const FeatureView& view,
                                const data::AsofIndex& index,
                                const data::ColumnPtr& label_time,
                                const StepsSource& source,
                                const TrainingSetOptions& options) {
  const TimeRange range = range_of(*label_time);
  data::Batch steps = data::Batch::empty(view.steps_schema());
  if (range.first <= range.last) {
    ASSAY_ASSIGN_OR_RETURN(steps, source(view, range.first, range.last));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> step_keys,
                         columns_as(view.keys(), steps));
  const std::vector<data::Field> times = {{kEventTime, data::Type::kTimestamp, false},
                                          {kKnownTime, data::Type::kTimestamp, false}};
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> step_times, columns_as(times, steps));

  // A step answers from its known_time on, whatever its event_time: that one only ages it.
  data::AsofSweep sweep(index, options.threads);
  ASSAY_RETURN_IF_ERROR(
      sweep.add({data::pointers(step_keys), step_times[1].get(), step_times[1].get(), nullptr}, 0));
  data::AsofMatch match = sweep.finish(std::nullopt);
  judge_age(view, *label_time, *step_times[0], &match);
  ViewAnswers answers;
  ASSAY_ASSIGN_OR_RETURN(
      answers.columns,
      view.answers(steps, match.rows, label_time, all_features(view), options.threads));
  answers.overflows.resize(answers.columns.size());
  for (std::size_t i = 0; i < answers.overflows.size() && options.with_statuses; ++i) {
    if (const data::Column* overflow = steps.find(overflow_column(view.features()[i].name))) {
      answers.overflows[i] = data::take(*overflow, match.rows);
    }
  }
  answers.statuses = std::move(match.statuses);
  return answers;
}

/// Status of a null in an answer that is there; `overflow` may be nullptr.
FeatureStatus status_of_null(const data::Column* overflow, int64_t row) {
  const bool overflows = overflow != nullptr && overflow->is_valid(row) &&
                         overflow->values<uint8_t>()[static_cast<std::size_t>(row)] != 0;
  return overflows ? FeatureStatus::kOverflow : FeatureStatus::kNullValue;
}

data::ColumnPtr status_names(const std::vector<FeatureStatus>& statuses,
                             const data::Column& values,
                             const data::Column* overflow) {
  data::ColumnBuilder builder(data::Type::kString);
  builder.reserve(values.size());
  for (int64_t row = 0; row < values.size(); ++row) {
    const FeatureStatus status =
        statuses.empty() ? FeatureStatus::kPresent : statuses[static_cast<std::size_t>(row)];
    builder.append_text(data::status_name(status == FeatureStatus::kPresent && values.is_null(row)
                                              ? status_of_null(overflow, row)
                                              : status));
  }
  return builder.finish();
}

/// Puts label columns and features side by side.
class TrainingSet {
 public:
  TrainingSet(const Service& service, const data::Batch& labels, const TrainingSetOptions& options)
      : service_(service), labels_(labels), options_(options), found_(labels) {}

  Result<data::Batch> build(const std::vector<ViewAnswers>& answers) {
    ServiceValues values = values_of_labels(service_, labels_, options_);
    for (std::size_t view = 0; view < answers.size(); ++view) {
      values.set_view(static_cast<int>(view), answers[view].columns);
    }
    std::vector<data::Batch> computed(service_.on_demand.size());
    for (const ServiceFeature& feature : service_.features) {
      const auto index = static_cast<std::size_t>(feature.feature_index);
      if (feature.view_index >= 0) {
        const ViewAnswers& view = answers[static_cast<std::size_t>(feature.view_index)];
        add(feature,
            view.columns[index],
            view.statuses,
            view.overflows.empty() ? nullptr : view.overflows[index].get());
        continue;
      }
      if (feature.derived_index >= 0) {
        ASSAY_ASSIGN_OR_RETURN(
            const data::ColumnPtr column,
            values.column(
                {ValueSource::Kind::kDerived, feature.derived_index, feature.feature_index, ""}));
        add(feature, column, {}, nullptr);
        continue;
      }
      const auto on_demand = static_cast<std::size_t>(feature.on_demand_index);
      if (computed[on_demand].column_count() == 0) {
        ASSAY_ASSIGN_OR_RETURN(computed[on_demand], evaluate(*service_.on_demand[on_demand]));
      }
      add(feature, computed[on_demand].column_ptr(feature.feature_index), {}, nullptr);
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
        data::Batch(data::make_schema(std::move(fields)), std::move(columns), labels_.rows()),
        labels_.column_ptr(*labels_.schema().find(options_.time_column)));
  }

  void add(const ServiceFeature& feature,
           const data::ColumnPtr& column,
           const std::vector<FeatureStatus>& statuses,
           const data::Column* overflow) {
    features_.push_back(
        {feature.name,
         column,
         options_.with_statuses ? status_names(statuses, *column, overflow) : nullptr});
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

namespace {

/// The nearest of the columns that there are, or what they are.
std::string instead_of(const std::string& name, const std::vector<std::string>& columns) {
  std::string near = did_you_mean(name, columns);
  constexpr std::size_t kListed = 12;
  if (near.empty() && !columns.empty() && columns.size() <= kListed) {
    for (const std::string& column : columns) {
      near += (near.empty() ? "; they have `" : ", `") + column + "`";
    }
  }
  return near;
}

}  // namespace

Status check_label_columns(const Service& service,
                           const data::Schema& labels,
                           const TrainingSetOptions& options) {
  const std::optional<int> time = labels.find(options.time_column);
  if (!time || labels.field(*time).type != data::Type::kTimestamp) {
    return invalid(
        "the labels need a timestamp column `" + options.time_column + "`" +
        (time ? "; it is of type " + std::string(data::type_name(labels.field(*time).type))
              : instead_of(options.time_column, labels.names())));
  }
  for (const auto& [fields, what] :
       {std::pair{&service.entity_keys, "an entity key"}, {&service.request, "a request value"}}) {
    for (const data::Field& field : *fields) {
      const std::optional<int> found = labels.find(field.name);
      if (!found) {
        return invalid("the labels have no column `" + field.name + "`, " + what + " of service " +
                       service.name + instead_of(field.name, labels.names()));
      }
    }
  }
  for (std::size_t i = 0; i < service.features.size(); ++i) {
    const std::string name = service.output_name(static_cast<int>(i), options.full_feature_names);
    if (labels.find(name)) {
      return invalid("the labels already have a column `" + name +
                     "`: rename it, or ask for full feature names");
    }
  }
  return {};
}

ServiceValues values_of_labels(const Service& service,
                               const data::Batch& labels,
                               const TrainingSetOptions& options) {
  const data::ColumnPtr time = labels.column_ptr(*labels.schema().find(options.time_column));
  const auto asked = [&service, labels](const std::string& name) -> Result<data::ColumnPtr> {
    const auto key = std::find_if(service.entity_keys.begin(),
                                  service.entity_keys.end(),
                                  [&](const data::Field& field) { return field.name == name; });
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> columns, columns_as({*key}, labels));
    return columns.front();
  };
  return {service, time, asked};
}

Result<data::Batch> assemble_training_set(const Service& service,
                                          const data::Batch& labels,
                                          const std::vector<ViewAnswers>& answers,
                                          const TrainingSetOptions& options) {
  return TrainingSet(service, labels, options).build(answers);
}

Result<data::Batch> training_set(const Service& service,
                                 const data::Batch& labels,
                                 const StepsSource& steps,
                                 const TrainingSetOptions& options) {
  ASSAY_RETURN_IF_ERROR(check_label_columns(service, labels.schema(), options));
  const data::ColumnPtr time = labels.column_ptr(*labels.schema().find(options.time_column));
  LabelIndexes indexes(*time, options.threads);
  ServiceValues values = values_of_labels(service, labels, options);
  std::vector<ViewAnswers> answers;
  for (int i = 0; i < static_cast<int>(service.views.size()); ++i) {
    const FeatureView& view = *service.views[static_cast<std::size_t>(i)];
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> keys, values.keys(i));
    ASSAY_ASSIGN_OR_RETURN(const data::AsofIndex* index,
                           indexes.of(view, keys, service.has_computed_keys(i)));
    Result<ViewAnswers> one = answer_view(view, *index, time, steps, options);
    if (!one.ok()) {
      return std::move(one).status().with_context("feature view `" + view.name() + "`");
    }
    answers.push_back(std::move(one).value());
    values.set_view(i, answers.back().columns);
  }
  return assemble_training_set(service, labels, answers, options);
}

void judge_age(const FeatureView& view,
               const data::Column& label_time,
               const data::Column& event_time,
               data::AsofMatch* match) {
  for (std::size_t i = 0; view.of_changes() && i < match->rows.size(); ++i) {
    if (match->rows[i] >= 0 && event_time.is_null(match->rows[i])) {
      match->rows[i] = -1;
      match->statuses[i] = FeatureStatus::kNotFound;
    }
  }
  if (!view.ttl()) {
    return;
  }
  const auto times = label_time.values<int64_t>();
  const auto events = event_time.values<int64_t>();
  for (std::size_t i = 0; i < match->rows.size(); ++i) {
    if (match->rows[i] >= 0 &&
        is_too_old(view, times[i], events[static_cast<std::size_t>(match->rows[i])])) {
      match->rows[i] = -1;
      match->statuses[i] = FeatureStatus::kOutsideMaxAge;
    }
  }
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
