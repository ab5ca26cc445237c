#include "serve/served_log.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "gold/served_schema.h"
#include "online/feast_reads.h"
#include "serve/key_share.h"

namespace assay::serve {
namespace {

/// About what a row holds in memory.
std::size_t bytes_of(const std::vector<data::Scalar>& values) {
  std::size_t bytes = values.size() * sizeof(data::Scalar);
  for (const data::Scalar& value : values) {
    const auto* text = std::get_if<std::string>(&value.value);
    bytes += text == nullptr ? 0 : text->size();
  }
  return bytes;
}

void append_text_or_null(data::ColumnBuilder& column, const std::string& text) {
  text.empty() ? column.append_null() : column.append_text(text);
}

void append_value(data::ColumnBuilder& column, const data::Scalar& value) {
  value.is_null() ? column.append_null() : column.append_scalar(value);
}

using Applied = std::vector<std::optional<online::AppliedTo>>;

/// What was answered for a feature of a view, and where the views stood.
data::Scalar value_of(const FeatureAnswer& answer,
                      const gold::Service& /*service*/,
                      std::size_t feature,
                      int64_t row) {
  return answer.value(static_cast<int>(feature), row);
}
data::FeatureStatus status_of(const FeatureAnswer& answer,
                              const gold::Service& /*service*/,
                              std::size_t feature,
                              int64_t row) {
  return answer.status(static_cast<int>(feature), row);
}
const Applied& applied_of(const FeatureAnswer& answer) {
  return answer.applied;
}

/// The same of values as they were read.
data::Scalar value_of(const FlatAnswer& answer,
                      const gold::Service& service,
                      std::size_t feature,
                      int64_t row) {
  const gold::ServiceFeature& of = service.features[feature];
  return answer.values.scalar(answer.at(of, row), of.type);
}
data::FeatureStatus status_of(const FlatAnswer& answer,
                              const gold::Service& service,
                              std::size_t feature,
                              int64_t row) {
  return answer.values.status(answer.at(service.features[feature], row));
}
const Applied& applied_of(const FlatAnswer& answer) {
  return answer.applied;
}

}  // namespace

ServedLog::ServedLog(Metrics& metrics, const ServedLogOptions& options)
    : options_(options),
      kept_(metrics.counter("assay_serve_logged_rows_total",
                            "Answered rows that were kept for the log of served answers.")),
      dropped_(metrics.counter("assay_serve_log_dropped_rows_total",
                               "Answered rows in the sample that the log had no room for.")) {}

bool ServedLog::is_sampled(const std::vector<data::Scalar>& keys) const {
  constexpr uint64_t kSeed = 0x5e7ed;
  const std::optional<double> place = place_of(keys, kSeed);
  return place.has_value() && *place < options_.share;
}

template <typename Answer>
std::optional<ServedLog::Row> ServedLog::row_of(const std::shared_ptr<const gold::Service>& service,
                                                const RequestRows& rows,
                                                const Answer& answer,
                                                int64_t row) const {
  Row made;
  made.keys = keys_of(*service, rows, row);
  if (!is_sampled(made.keys)) {
    return std::nullopt;
  }
  bool found = false;
  for (std::size_t f = 0; f < service->features.size(); ++f) {
    if (service->features[f].view_index >= 0) {
      made.values.push_back(value_of(answer, *service, f, row));
      made.statuses.push_back(status_of(answer, *service, f, row));
      found = found || made.statuses.back() != data::FeatureStatus::kNotFound;
    }
  }
  if (!found) {
    return std::nullopt;
  }
  made.service = service;
  made.as_of = answer.now;
  for (const std::optional<online::AppliedTo>& applied : applied_of(answer)) {
    const bool is_known = applied && applied->position != online::kPlaceOfFeast.position;
    made.applied.push_back(is_known ? std::optional(applied->position) : std::nullopt);
  }
  return made;
}

template <typename Answer>
void ServedLog::add_rows(const std::shared_ptr<const gold::Service>& service,
                         const RequestRows& rows,
                         const Answer& answer) {
  if (service->name.empty() || options_.share <= 0) {
    return;
  }
  for (int64_t row = 0; row < rows.rows; ++row) {
    std::optional<Row> made = row_of(service, rows, answer, row);
    if (made) {
      put(*std::move(made));
    }
  }
}

void ServedLog::add(const std::shared_ptr<const gold::Service>& service,
                    const RequestRows& rows,
                    const FeatureAnswer& answer) {
  add_rows(service, rows, answer);
}

void ServedLog::add(const std::shared_ptr<const gold::Service>& service,
                    const RequestRows& rows,
                    const FlatAnswer& answer) {
  add_rows(service, rows, answer);
}

void ServedLog::add(const ServingModel& model,
                    const RequestRows& rows,
                    const Predictions& predictions) {
  add_scored(model, rows, predictions, predictions.features);
}

void ServedLog::add(const ServingModel& model,
                    const RequestRows& rows,
                    const Predictions& predictions,
                    const FlatAnswer& features) {
  add_scored(model, rows, predictions, features);
}

template <typename Answer>
void ServedLog::add_scored(const ServingModel& model,
                           const RequestRows& rows,
                           const Predictions& predictions,
                           const Answer& features) {
  for (int64_t row = 0; row < rows.rows; ++row) {
    const std::optional<Row> made = row_of(model.service, rows, features, row);
    if (!made) {
      continue;
    }
    const auto put_scored = [&](const std::string& name, const ServingModel& by, float score) {
      Row scored = *made;
      scored.model = name;
      scored.model_version = by.version;
      scored.score = score;
      put(std::move(scored));
    };
    const Prediction& answered = predictions.rows[static_cast<std::size_t>(row)];
    const ServingModel& by = answered.by != nullptr ? *answered.by : model;
    put_scored(by.name, by, answered.score);
    for (const ShadowScores& shadow : predictions.shadows) {
      const std::optional<float> score = shadow.scores[static_cast<std::size_t>(row)];
      if (score.has_value()) {
        put_scored(gold::kServedShadow + shadow.by->name, *shadow.by, *score);
      }
    }
  }
}

void ServedLog::put(Row row) {
  const std::size_t bytes = sizeof(Row) + bytes_of(row.keys) + bytes_of(row.values);
  const std::lock_guard lock(mutex_);
  if (bytes_ + bytes > options_.bytes_max) {
    dropped_.add();
    return;
  }
  bytes_ += bytes;
  rows_.push_back(std::move(row));
  kept_.add();
}

int64_t ServedLog::waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(rows_.size());
}

bool ServedLog::is_half_full() const {
  const std::lock_guard lock(mutex_);
  return bytes_ >= options_.bytes_max / 2;
}

Result<std::vector<ServedBatch>> ServedLog::take() {
  std::vector<Row> rows;
  {
    const std::lock_guard lock(mutex_);
    rows.swap(rows_);
    bytes_ = 0;
  }
  std::vector<ServedBatch> batches;
  std::vector<data::BatchBuilder> builders;
  for (const Row& row : rows) {
    const auto known = std::find_if(batches.begin(), batches.end(), [&](const ServedBatch& batch) {
      return batch.service == row.service;
    });
    const auto index = static_cast<std::size_t>(known - batches.begin());
    if (known == batches.end()) {
      ASSAY_ASSIGN_OR_RETURN(data::SchemaPtr schema, gold::served_schema(*row.service));
      batches.push_back({row.service, {}});
      builders.emplace_back(std::move(schema));
    }
    data::BatchBuilder& builder = builders[index];
    int column = 0;
    builder.column(column++).append(
        static_cast<int32_t>(floor_to(row.as_of.micros, kMicrosPerDay) / kMicrosPerDay));
    builder.column(column++).append(row.as_of.micros);
    for (const data::Scalar& key : row.keys) {
      append_value(builder.column(column++), key);
    }
    append_text_or_null(builder.column(column++), row.model);
    append_text_or_null(builder.column(column++), row.model_version);
    row.model.empty() ? builder.column(column++).append_null()
                      : builder.column(column++).append(row.score);
    for (const std::optional<int64_t> applied : row.applied) {
      applied ? builder.column(column++).append(*applied) : builder.column(column++).append_null();
    }
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      append_value(builder.column(column++), row.values[i]);
      builder.column(column++).append_text(data::status_name(row.statuses[i]));
    }
  }
  for (std::size_t i = 0; i < batches.size(); ++i) {
    batches[i].rows = builders[i].finish();
  }
  return batches;
}

}  // namespace assay::serve
