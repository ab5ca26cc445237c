#include "serve/feature_response.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "serve/json_value.h"

namespace assay::serve {
namespace {

constexpr std::string_view kEpoch = "1970-01-01T00:00:00Z";

std::string json_of(std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

/// Event times as JSON, remembering the last one: features of one view share theirs.
class TimeText {
 public:
  std::string_view of(EventTime time) {
    if (time != last_) {
      last_ = time;
      text_ = json_of(format_time(time));
    }
    return text_;
  }

 private:
  EventTime last_;
  std::string text_ = json_of(kEpoch);
};

/// A status as JSON.
std::string_view status_text(data::FeatureStatus status) {
  static const std::vector<std::string> kTexts = [] {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < data::kFeatureStatuses; ++i) {
      texts.push_back(json_of(data::status_name(static_cast<data::FeatureStatus>(i))));
    }
    return texts;
  }();
  return kTexts[static_cast<std::size_t>(status)];
}

/// One element of `results`: values, statuses, event_timestamps, each with one entry per row. Most
/// of an answer is these: put together from whole pieces. `is_next`: another one stands before it.
template <typename Value, typename StatusOf, typename TimeOf>
void write_result(
    std::string& body, bool is_next, int64_t rows, Value value, StatusOf status, TimeOf time) {
  body += is_next ? R"(,{"values":[)" : R"({"values":[)";
  for (int64_t row = 0; row < rows; ++row) {
    if (row != 0) {
      body += ',';
    }
    JsonWriter one(body);
    write_scalar(one, value(row));
  }
  body += R"(],"statuses":[)";
  for (int64_t row = 0; row < rows; ++row) {
    if (row != 0) {
      body += ',';
    }
    body += status_text(status(row));
  }
  body += R"(],"event_timestamps":[)";
  for (int64_t row = 0; row < rows; ++row) {
    if (row != 0) {
      body += ',';
    }
    body += time(row);
  }
  body += "]}";
}

/// The views of an answer. A definition that changes is a new view here, so there are no versions.
void write_views(JsonWriter& writer, const gold::Service& service) {
  std::vector<std::string_view> views;
  for (const gold::ServiceFeature& feature : service.features) {
    if (std::find(views.begin(), views.end(), feature.view) == views.end()) {
      views.push_back(feature.view);
    }
  }
  writer.key("feature_view_metadata");
  writer.begin_array();
  for (const std::string_view view : views) {
    writer.begin_object();
    writer.key("name");
    writer.string(view);
    writer.end_object();
  }
  writer.end_array();
}

}  // namespace

std::string render_features(const Selection& selection,
                            const TypedRows& typed,
                            const FeatureAnswer& answer,
                            bool with_view_versions) {
  std::string body;
  body.reserve(256 + selection.names.size() * (96 + static_cast<std::size_t>(answer.rows()) * 48));
  JsonWriter writer(body);
  TimeText times;
  writer.begin_object();
  writer.key("results");
  writer.begin_array();
  bool is_next = false;
  for (const std::string& name : typed.entity_names) {
    const RequestColumn& column = *typed.rows.find(name);
    const auto value = [&](int64_t row) -> const data::Scalar& {
      return column.values[static_cast<std::size_t>(row)];
    };
    write_result(
        body,
        std::exchange(is_next, true),
        answer.rows(),
        value,
        [&](int64_t row) {
          return value(row).is_null() ? data::FeatureStatus::kNullValue
                                      : data::FeatureStatus::kPresent;
        },
        [&](int64_t) { return times.of(EventTime{}); });
  }
  for (int feature = 0; feature < static_cast<int>(selection.names.size()); ++feature) {
    write_result(
        body,
        std::exchange(is_next, true),
        answer.rows(),
        [&](int64_t row) -> const data::Scalar& { return answer.value(feature, row); },
        [&](int64_t row) { return answer.status(feature, row); },
        [&](int64_t row) { return times.of(answer.event_time(feature, row)); });
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
    write_views(writer, *selection.service);
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

Response answered(std::string body, const FeatureAnswer& answer) {
  Response response;
  response.body = std::move(body);
  response.headers.emplace_back("x-assay-as-of", format_time(answer.now));
  if (answer.known_until.has_value() && *answer.known_until != EventTime::min()) {
    response.headers.emplace_back("x-assay-known-until", format_time(*answer.known_until));
  }
  return response;
}

}  // namespace assay::serve
