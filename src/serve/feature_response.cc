#include "serve/feature_response.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/json_writer.h"
#include "serve/json_value.h"

namespace assay::serve {
namespace {

std::string json_of(std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

/// What stands behind the values in an element of `results`: statuses and event times, one entry a
/// row. Features of one view mostly have the same, so the text is kept for the next one.
class StatusesAndTimes {
 public:
  void append(std::span<const data::FeatureStatus> statuses,
              std::span<const EventTime> times,
              std::string* body) {
    if (text_.empty() || !std::equal(statuses.begin(), statuses.end(), statuses_.begin()) ||
        !std::equal(times.begin(), times.end(), times_.begin())) {
      statuses_ = statuses;
      times_ = times;
      render();
    }
    body->append(text_);
  }

 private:
  void render() {
    text_ = R"(],"statuses":[)";
    for (std::size_t row = 0; row < statuses_.size(); ++row) {
      text_ += row == 0 ? "" : ",";
      text_ += status_text(statuses_[row]);
    }
    text_ += R"(],"event_timestamps":[)";
    for (std::size_t row = 0; row < times_.size(); ++row) {
      text_ += row == 0 ? "" : ",";
      if (row > 0 && times_[row] == times_[row - 1]) {
        text_ += time_;
      } else {
        time_ = json_of(format_time(times_[row]));
        text_ += time_;
      }
    }
    text_ += "]}";
  }

  std::span<const data::FeatureStatus> statuses_;  // of the answer, or of what the caller keeps
  std::span<const EventTime> times_;
  std::string text_;
  std::string time_;
};

/// The values of one element of `results`. Most of an answer is these: put together from whole
/// pieces. `is_next`: another element stands before it.
template <typename Value>
void write_values(std::string* body, bool is_next, int64_t rows, const Value& value) {
  *body += is_next ? R"(,{"values":[)" : R"({"values":[)";
  for (int64_t row = 0; row < rows; ++row) {
    if (row != 0) {
      *body += ',';
    }
    const data::Scalar& scalar = value(row);
    if (const double* const number = std::get_if<double>(&scalar.value);
        number != nullptr && std::isfinite(*number)) {
      append_json_number(*body, *number);
    } else {
      JsonWriter one(*body);
      write_scalar(one, scalar);
    }
  }
}

}  // namespace

std::string_view status_text(data::FeatureStatus status) {
  static const std::vector<std::string> kTexts = [] {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < data::kFeatureStatuses; ++i) {
      texts.push_back(json_of(data::status_name(static_cast<data::FeatureStatus>(i))));
      ASSAY_CHECK(texts.back().size() <= kStatusBytesMax);
    }
    return texts;
  }();
  return kTexts[static_cast<std::size_t>(status)];
}

std::string view_metadata(const gold::Service& service) {
  std::vector<std::string_view> views;
  for (const gold::ServiceFeature& feature : service.features) {
    if (std::find(views.begin(), views.end(), feature.view) == views.end()) {
      views.push_back(feature.view);
    }
  }
  std::string json;
  JsonWriter writer(json);
  writer.begin_array();
  for (const std::string_view view : views) {
    writer.begin_object();
    writer.key("name");
    writer.string(view);
    writer.end_object();
  }
  writer.end_array();
  return json;
}

std::string render_features(const Selection& selection,
                            const TypedRows& typed,
                            const FeatureAnswer& answer,
                            bool with_view_versions) {
  std::string body;
  body.reserve(256 + selection.names.size() * (96 + static_cast<std::size_t>(answer.rows()) * 48));
  JsonWriter writer(body);
  writer.begin_object();
  writer.key("results");
  writer.begin_array();
  bool is_next = false;
  const std::vector<EventTime> no_times(static_cast<std::size_t>(answer.rows()), EventTime{});
  for (const std::string& name : typed.entity_names) {
    const RequestColumn& column = *typed.rows.find(name);
    std::vector<data::FeatureStatus> statuses;
    for (const data::Scalar& value : column.values) {
      statuses.push_back(value.is_null() ? data::FeatureStatus::kNullValue
                                         : data::FeatureStatus::kPresent);
    }
    const auto value = [&](int64_t row) -> const data::Scalar& {
      return column.values[static_cast<std::size_t>(row)];
    };
    write_values(&body, std::exchange(is_next, true), answer.rows(), value);
    StatusesAndTimes().append(statuses, no_times, &body);
  }
  StatusesAndTimes rest;
  for (int feature = 0; feature < static_cast<int>(selection.names.size()); ++feature) {
    const auto value = [&](int64_t row) -> const data::Scalar& {
      return answer.value(feature, row);
    };
    write_values(&body, std::exchange(is_next, true), answer.rows(), value);
    rest.append(answer.statuses(feature), answer.event_times(feature), &body);
  }
  writer.end_array();
  writer.key("metadata");
  writer.begin_object();
  writer.key("feature_names");
  writer.begin_array();
  for (const std::string& name : typed.entity_names) {
    writer.string(name);
  }
  for (const std::string& name : selection.names) {
    writer.string(name);
  }
  writer.end_array();
  if (with_view_versions) {
    writer.key("feature_view_metadata");
    writer.raw(view_metadata(*selection.service));
  }
  writer.end_object();
  writer.end_object();
  return body;
}

namespace {

void write_row(JsonWriter& writer,
               const gold::Service& service,
               const FeatureAnswer& answer,
               int64_t row) {
  writer.begin_object();
  for (int feature = 0; feature < static_cast<int>(service.features.size()); ++feature) {
    writer.key(service.output_name(feature, false));
    write_scalar(writer, answer.value(feature, row));
  }
  writer.end_object();
}

}  // namespace

std::string render_predictions(const ServingModel& model,
                               const Predictions& predictions,
                               bool with_features) {
  std::string body;
  JsonWriter writer(body);
  writer.begin_object();
  writer.key("predictions");
  writer.begin_array();
  for (const Prediction& prediction : predictions.rows) {
    writer.begin_object();
    writer.key("score");
    writer.number32(prediction.score);
    writer.key("status");
    writer.string(status_name(prediction.status));
    if (prediction.by != nullptr) {
      writer.key("model");
      writer.string(prediction.by->name);
      writer.key("version");
      writer.string(prediction.by->version);
    }
    writer.end_object();
  }
  writer.end_array();
  writer.key("model");
  writer.string(model.name);
  writer.key("version");
  writer.string(model.version);
  if (with_features) {
    writer.key("features");
    writer.begin_array();
    for (int64_t row = 0; row < predictions.features.rows(); ++row) {
      write_row(writer, *model.service, predictions.features, row);
    }
    writer.end_array();
  }
  writer.end_object();
  return body;
}

Response answered(std::string body, EventTime now, std::optional<EventTime> known_until) {
  Response response;
  response.body = std::move(body);
  response.marks.as_of = now;
  if (known_until.has_value() && *known_until != EventTime::min()) {
    response.marks.known_until = known_until;
  }
  return response;
}

}  // namespace assay::serve
