#include "gold/service_values.h"

#include <set>
#include <utility>

#include "data/batch.h"
#include "data/repeated_keys.h"

namespace assay::gold {
namespace {

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

/// One feature of some answers, one value a row.
data::ColumnPtr column_of(const ViewReading& reading, const data::Field& field, int feature) {
  data::ColumnBuilder builder(field.type);
  for (const int64_t answer : reading.answer_of) {
    const data::Scalar* value =
        answer < 0 ? nullptr
                   : &reading.answers[static_cast<std::size_t>(answer)].values[at(feature)];
    if (value == nullptr || value->is_null()) {
      builder.append_null();
    } else {
      builder.append_scalar(*value);
    }
  }
  return builder.finish();
}

/// The entities that rows ask for, where no part of the key is null; of many that repeat, each
/// once.
std::vector<data::EntityKey> encode_keys(
    const std::vector<const std::vector<data::Scalar>*>& columns,
    int64_t rows,
    ViewReading* reading) {
  std::vector<data::EntityKey> keys;
  keys.reserve(static_cast<std::size_t>(rows));
  reading->answer_of.reserve(static_cast<std::size_t>(rows));
  std::vector<data::Scalar> values(columns.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      values[i] = (*columns[i])[static_cast<std::size_t>(row)];
    }
    std::optional<data::EntityKey> key = data::encode_key(values);
    reading->answer_of.push_back(key ? static_cast<int64_t>(keys.size()) : -1);
    if (key) {
      keys.push_back(*std::move(key));
    }
  }
  if (std::optional<data::RepeatedKeys> repeated = data::take_repeated(&keys)) {
    for (int64_t& answer : reading->answer_of) {
      if (answer >= 0) {
        answer = repeated->key_of[static_cast<std::size_t>(answer)];
      }
    }
    return std::move(repeated->keys);
  }
  return keys;
}

/// Reads a service's views one after the other.
class Reader {
 public:
  Reader(const Service& service, int64_t rows, EventTime now)
      : service_(service),
        rows_(rows),
        composed_(!service.derived.empty()),
        values_(service,
                data::constant_column(data::Scalar::timestamp(now.micros), composed_ ? rows : 0),
                [](const std::string& name) -> Result<data::ColumnPtr> {
                  return Status(Code::kInternal, "no derived feature reads key " + name);
                }) {
    for (const std::vector<ValueSource>& keys : service.view_keys) {
      composed_ = composed_ || !keys.empty();
    }
    if (composed_) {
      needed_ = features_read(service);
    }
  }

  Result<ServiceReading> run(const AskedScalars& asked, const ViewReader& read) {
    for (int view = 0; view < static_cast<int>(service_.views.size()); ++view) {
      ASSAY_RETURN_IF_ERROR(read_view(view, asked, read));
    }
    ASSAY_RETURN_IF_ERROR(derive());
    return std::move(reading_);
  }

 private:
  Status read_view(int index, const AskedScalars& asked, const ViewReader& read) {
    const FeatureView& view = *service_.views[at(index)];
    std::vector<std::vector<data::Scalar>> computed(view.keys().size());
    std::vector<const std::vector<data::Scalar>*> columns;
    for (std::size_t i = 0; i < view.keys().size(); ++i) {
      const ValueSource source = service_.key_source(index, i);
      if (source.kind == ValueSource::Kind::kAsked) {
        ASSAY_ASSIGN_OR_RETURN(columns.emplace_back(), asked(view.keys()[i]));
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr column, values_.column(source));
      for (int64_t row = 0; row < rows_; ++row) {
        computed[i].push_back(column->scalar(row));
      }
      columns.push_back(&computed[i]);
    }
    ViewReading& answers = reading_.views.emplace_back();
    const std::vector<data::EntityKey> keys = encode_keys(columns, rows_, &answers);
    ASSAY_ASSIGN_OR_RETURN(answers.answers, read(view, keys));
    if (composed_) {
      std::vector<data::ColumnPtr> features(view.features().size());
      for (const int feature : needed_[at(index)]) {
        features[at(feature)] = column_of(answers, view.features()[at(feature)], feature);
      }
      values_.set_view(index, std::move(features));
    }
    return {};
  }

  Status derive() {
    reading_.derived.resize(service_.derived.size());
    for (const ServiceFeature& feature : service_.features) {
      if (feature.derived_index < 0) {
        continue;
      }
      std::vector<data::ColumnPtr>& outputs = reading_.derived[at(feature.derived_index)];
      outputs.resize(service_.derived[at(feature.derived_index)].view->features().size());
      ASSAY_ASSIGN_OR_RETURN(
          outputs[at(feature.feature_index)],
          values_.column(
              {ValueSource::Kind::kDerived, feature.derived_index, feature.feature_index, ""}));
    }
    return {};
  }

  const Service& service_;
  int64_t rows_;
  bool composed_;
  ServiceValues values_;
  std::vector<std::vector<int>> needed_;
  ServiceReading reading_;
};

}  // namespace

std::vector<std::vector<int>> features_read(const Service& service) {
  std::vector<std::set<int>> read(service.views.size());
  const auto note = [&](const ValueSource& source) {
    if (source.kind == ValueSource::Kind::kView) {
      read[at(source.index)].insert(source.feature);
    }
  };
  for (const ServiceFeature& feature : service.features) {
    if (feature.view_index >= 0) {
      read[at(feature.view_index)].insert(feature.feature_index);
    }
  }
  for (const DerivedNode& node : service.derived) {
    for (const ValueSource& input : node.inputs) {
      note(input);
    }
  }
  for (const std::vector<ValueSource>& keys : service.view_keys) {
    for (const ValueSource& key : keys) {
      note(key);
    }
  }
  std::vector<std::vector<int>> features;
  for (const std::set<int>& of_view : read) {
    features.emplace_back(of_view.begin(), of_view.end());
  }
  return features;
}

std::vector<int> views_behind_keys(const Service& service, int view) {
  std::set<int> views;
  std::vector<ValueSource> open;
  if (service.has_computed_keys(view)) {
    open = service.view_keys[at(view)];
  }
  while (!open.empty()) {
    const ValueSource source = open.back();
    open.pop_back();
    if (source.kind == ValueSource::Kind::kView) {
      views.insert(source.index);
    } else if (source.kind == ValueSource::Kind::kDerived) {
      const std::vector<ValueSource>& inputs = service.derived[at(source.index)].inputs;
      open.insert(open.end(), inputs.begin(), inputs.end());
    }
  }
  return {views.begin(), views.end()};
}

ServiceValues::ServiceValues(const Service& service, data::ColumnPtr now, Asked asked)
    : service_(service),
      now_(std::move(now)),
      asked_(std::move(asked)),
      views_(service.views.size()),
      derived_(service.derived.size()) {}

void ServiceValues::set_view(int view, std::vector<data::ColumnPtr> features) {
  views_[at(view)] = std::move(features);
}

Result<data::ColumnPtr> ServiceValues::column(const ValueSource& source) {
  const std::size_t feature = at(source.feature);
  switch (source.kind) {
    case ValueSource::Kind::kAsked:
      return asked_(source.name);
    case ValueSource::Kind::kNow:
      return now_;
    case ValueSource::Kind::kView: {
      const std::vector<data::ColumnPtr>& columns = views_[at(source.index)];
      if (feature >= columns.size() || columns[feature] == nullptr) {
        return Status(Code::kInternal, "a derived feature reads what was not read before it");
      }
      return columns[feature];
    }
    case ValueSource::Kind::kDerived:
      break;
  }
  std::vector<data::ColumnPtr>& outputs = derived_[at(source.index)];
  if (outputs.empty()) {
    const DerivedNode& node = service_.derived[at(source.index)];
    std::vector<data::Field> fields;
    std::vector<data::ColumnPtr> columns;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      ASSAY_ASSIGN_OR_RETURN(columns.emplace_back(), column(node.inputs[i]));
      fields.push_back({node.view->inputs()[i], columns.back()->type(), true});
    }
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch computed,
        node.view->evaluate(
            data::Batch(data::make_schema(std::move(fields)), std::move(columns), now_->size()),
            now_));
    for (int i = 0; i < computed.column_count(); ++i) {
      outputs.push_back(computed.column_ptr(i));
    }
  }
  return outputs[feature];
}

Result<std::vector<data::ColumnPtr>> ServiceValues::keys(int view) {
  std::vector<data::ColumnPtr> columns;
  const std::vector<data::Field>& keys = service_.views[at(view)]->keys();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSAY_ASSIGN_OR_RETURN(columns.emplace_back(), column(service_.key_source(view, i)));
  }
  return columns;
}

Result<ServiceReading> read_service(const Service& service,
                                    int64_t rows,
                                    EventTime now,
                                    const AskedScalars& asked,
                                    const ViewReader& read) {
  return Reader(service, rows, now).run(asked, read);
}

}  // namespace assay::gold
