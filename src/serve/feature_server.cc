#include "serve/feature_server.h"

#include <algorithm>

#include "base/json_writer.h"
#include "base/suggest.h"
#include "serve/error_response.h"
#include "serve/feast_writes.h"
#include "serve/json_value.h"
#include "serve/predict.h"
#include "serve/registry_endpoints.h"
#include "serve/request_rows.h"

namespace assay::serve {
namespace {

constexpr std::array<std::string_view, 13> kPaths = {"/get-online-features",
                                                     "/predict",
                                                     "/health",
                                                     "/metrics",
                                                     "/push",
                                                     "/write-to-online-store",
                                                     "/materialize",
                                                     "/materialize-incremental",
                                                     "/search",
                                                     "/retrieve-online-documents",
                                                     "/v1/vector_stores",
                                                     "/api/v1",
                                                     "other"};
constexpr std::string_view kEpoch = "1970-01-01T00:00:00Z";

/// Formats event times, remembering the last one: features of one view share theirs.
class TimeText {
 public:
  std::string_view of(EventTime time) {
    if (time != last_) {
      last_ = time;
      text_ = format_time(time);
    }
    return text_;
  }

 private:
  EventTime last_;
  std::string text_{kEpoch};
};

/// One element of `results`: values, statuses, event_timestamps, each with one entry per row.
template <typename Value, typename StatusOf, typename TimeOf>
void write_result(JsonWriter& writer, int64_t rows, Value value, StatusOf status, TimeOf time) {
  writer.begin_object();
  writer.key("values");
  writer.begin_array();
  for (int64_t row = 0; row < rows; ++row) {
    write_scalar(writer, value(row));
  }
  writer.end_array();
  writer.key("statuses");
  writer.begin_array();
  for (int64_t row = 0; row < rows; ++row) {
    writer.string(status_name(status(row)));
  }
  writer.end_array();
  writer.key("event_timestamps");
  writer.begin_array();
  for (int64_t row = 0; row < rows; ++row) {
    writer.string(time(row));
  }
  writer.end_array();
  writer.end_object();
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

/// The body of /get-online-features: join keys in request order, then features in selection order.
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
  for (const std::string& name : typed.entity_names) {
    const RequestColumn& column = *typed.rows.find(name);
    const auto value = [&](int64_t row) -> const data::Scalar& {
      return column.values[static_cast<std::size_t>(row)];
    };
    write_result(
        writer,
        answer.rows(),
        value,
        [&](int64_t row) {
          return value(row).is_null() ? data::FeatureStatus::kNullValue
                                      : data::FeatureStatus::kPresent;
        },
        [](int64_t) { return kEpoch; });
  }
  for (int feature = 0; feature < static_cast<int>(selection.names.size()); ++feature) {
    write_result(
        writer,
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

/// A body with what `assay verify` needs to ask the offline side the same question.
Response answered(std::string body, const FeatureAnswer& answer) {
  Response response;
  response.body = std::move(body);
  response.headers.emplace_back("x-assay-as-of", format_time(answer.now));
  if (answer.known_until.has_value() && *answer.known_until != EventTime::min()) {
    response.headers.emplace_back("x-assay-known-until", format_time(*answer.known_until));
  }
  return response;
}

/// The model asked for, or the only one.
const ServingModel* find_model(const ServingState& state, const std::optional<std::string>& name) {
  if (!name.has_value()) {
    return state.models.size() == 1 ? &state.models.begin()->second : nullptr;
  }
  const auto found = state.models.find(*name);
  return found == state.models.end() ? nullptr : &found->second;
}

Response no_model(const ServingState& state, const std::optional<std::string>& name) {
  std::vector<std::string> names;
  for (const auto& entry : state.models) {
    names.push_back(entry.first);
  }
  if (name.has_value()) {
    return detail_error(404, "Model " + *name + " does not exist" + did_you_mean(*name, names));
  }
  return names.empty() ? detail_error(404, "there is no model; train and promote one first")
                       : detail_error(422, "there are several models; say which in `model`");
}

}  // namespace

FeatureServer::FeatureServer(World& world,
                             online::OnlineStore& store,
                             std::shared_ptr<const ServingState> state,
                             ServedLog* log,
                             LineControl* line)
    : world_(world),
      store_(store),
      log_(log),
      line_(line),
      feature_requests_(world.metrics.counter("feast_online_features_request_total",
                                              "Requests for online features.")),
      entities_(world.metrics.counter("assay_serve_entities_total", "Entity rows answered.")),
      predictions_(
          world.metrics.counter("assay_serve_predictions_total", "Rows scored by models.")) {
  for (std::size_t endpoint = 0; endpoint < metrics_.size(); ++endpoint) {
    metrics_[endpoint].latency =
        &world.metrics.histogram("assay_serve_request_seconds",
                                 "Time to answer a request.",
                                 {{"endpoint", std::string(kPaths[endpoint])}});
  }
  replace(std::move(state));
}

void FeatureServer::replace(std::shared_ptr<const ServingState> state) {
  auto selections = std::make_shared<Selections>(std::move(state), world_.metrics);
  const std::lock_guard lock(mutex_);
  selections_ = std::move(selections);
}

std::shared_ptr<Selections> FeatureServer::selections() {
  const std::lock_guard lock(mutex_);
  return selections_;
}

FeatureServer::Endpoint FeatureServer::endpoint_of(std::string_view path) {
  for (int endpoint = 0; endpoint < kOther; ++endpoint) {
    const std::string_view known = kPaths[static_cast<std::size_t>(endpoint)];
    const bool below = (endpoint == kVectorStores || endpoint == kRegistry) &&
                       path.starts_with(known) && path.substr(known.size()).starts_with('/');
    if (below || path == known) {
      return static_cast<Endpoint>(endpoint);
    }
  }
  return kOther;
}

bool FeatureServer::asks_by_post(Endpoint endpoint, std::string_view path) {
  return endpoint == kVectorStores
             ? path.ends_with("/search")
             : endpoint != kHealth && endpoint != kMetrics && endpoint != kRegistry;
}

Response FeatureServer::handle(const Request& request) {
  const Duration begin = world_.clock.monotonic();
  const std::string_view target = request.target;
  const Endpoint endpoint = endpoint_of(target.substr(0, target.find('?')));
  Response response = route(endpoint, request);
  count(endpoint, response.status, {world_.clock.monotonic().micros - begin.micros});
  return response;
}

Response FeatureServer::route(Endpoint endpoint, const Request& request) {
  if (endpoint == kOther) {
    return detail_error(404, "Not Found");
  }
  const std::string_view target = request.target;
  const std::string_view verb =
      asks_by_post(endpoint, target.substr(0, target.find('?'))) ? "POST" : "GET";
  if (request.method != verb) {
    Response refusal = detail_error(405, "Method Not Allowed");
    refusal.headers.emplace_back("allow", verb);
    return refusal;
  }
  switch (endpoint) {
    case kGetOnlineFeatures:
      return get_online_features(request);
    case kPredict:
      return predict(request);
    case kMetrics:
      return Response{
          200, "text/plain; version=0.0.4; charset=utf-8", world_.metrics.to_text(), {}};
    case kPush:
      return push(selections()->state(), line_, request);
    case kWriteToOnlineStore:
      return write_to_online_store(selections()->state(), request);
    case kMaterialize:
    case kMaterializeIncremental:
      return materialize(
          selections()->state(), line_, request, endpoint == kMaterializeIncremental);
    case kSearch:
    case kRetrieveDocuments:
    case kVectorStores:
      return vector_search(request);
    case kRegistry:
      return registry_get(feast_registry(selections()->state()), request);
    default:
      return Response{200, "", "", {}};
  }
}

Response FeatureServer::get_online_features(const Request& request) {
  const ParsedBody parsed = parse_request_body(request.body);
  if (!parsed.errors.empty()) {
    feature_requests_.add();
    return validation_error(parsed.errors);
  }
  const FeaturesAsked asked = ask_features(parsed.body);
  if (!asked.answer.has_value()) {
    return asked.refusal;
  }
  return answered(
      render_features(*asked.selection, asked.typed, *asked.answer, parsed.body.with_view_versions),
      *asked.answer);
}

FeaturesAsked FeatureServer::ask_features(RequestBody body) {
  const Duration begin = world_.clock.monotonic();
  feature_requests_.add();
  FeaturesAsked asked;
  const std::shared_ptr<Selections> selections = this->selections();
  Selected selected = selections->select(body);
  if (selected.selection == nullptr) {
    asked.refusal = std::move(selected.refusal);
    return asked;
  }
  asked.selection = std::move(selected.selection);
  const Selection& selection = *asked.selection;
  selections->name_keys(*selection.service, &body.entities);
  asked.typed = type_rows(*selection.service, body.entities);
  if (asked.typed.refusal.has_value()) {
    asked.refusal = *asked.typed.refusal;
    return asked;
  }
  const Result<EventTime> at = now(selections->state());
  if (!at.ok()) {
    asked.refusal = failure_response(at.status());
    return asked;
  }
  Result<FeatureAnswer> answer =
      serve::get_online_features(*selection.service, store_, asked.typed.rows, *at);
  if (!answer.ok()) {
    world_.log.error("online_read_failed", {{"status", answer.status().to_string()}});
    asked.refusal = failure_response(answer.status());
    return asked;
  }
  for (std::size_t feature = 0; feature < selection.names.size(); ++feature) {
    std::array<int64_t, data::kFeatureStatuses> totals{};
    for (int64_t row = 0; row < answer->rows(); ++row) {
      ++totals[static_cast<std::size_t>(answer->status(static_cast<int>(feature), row))];
    }
    for (std::size_t status = 0; status < totals.size(); ++status) {
      if (totals[status] != 0) {
        selection.status_totals[feature][status]->add(totals[status]);
      }
    }
  }
  entities_.add(answer->rows());
  if (log_ != nullptr) {
    log_->add(selection.service, asked.typed.rows, *answer);
  }
  asked.answer = *std::move(answer);
  selection.latency->observe(static_cast<double>(world_.clock.monotonic().micros - begin.micros) *
                             1e-6);
  return asked;
}

Response FeatureServer::predict(const Request& request) {
  const ParsedBody parsed = parse_request_body(request.body);
  if (!parsed.errors.empty()) {
    return validation_error(parsed.errors);
  }
  const PredictionsAsked asked = ask_predictions(parsed.body);
  if (!asked.predictions.has_value()) {
    return asked.refusal;
  }
  return answered(render_predictions(*asked.model, *asked.predictions, parsed.body.with_features),
                  asked.predictions->features);
}

PredictionsAsked FeatureServer::ask_predictions(const RequestBody& body) {
  PredictionsAsked asked;
  asked.state = this->selections();
  const ServingState& state = asked.state->state();
  asked.model = find_model(state, body.model);
  if (asked.model == nullptr) {
    asked.refusal = no_model(state, body.model);
    return asked;
  }
  const TypedRows typed = type_rows(*asked.model->service, body.entities);
  if (typed.refusal.has_value()) {
    asked.refusal = *typed.refusal;
    return asked;
  }
  const Result<EventTime> at = now(state);
  if (!at.ok()) {
    asked.refusal = failure_response(at.status());
    return asked;
  }
  Result<Predictions> predictions = serve::predict(*asked.model, store_, typed.rows, *at);
  if (!predictions.ok()) {
    world_.log.error("prediction_failed", {{"status", predictions.status().to_string()}});
    asked.refusal = failure_response(predictions.status());
    return asked;
  }
  predictions_.add(predictions->features.rows());
  if (log_ != nullptr) {
    log_->add(*asked.model, typed.rows, *predictions);
  }
  asked.predictions = *std::move(predictions);
  return asked;
}

/// The instant of the question: now, or where the data's own clock stands.
Result<EventTime> FeatureServer::now(const ServingState& state) {
  if (state.clock == catalog::ServingClock::kWall) {
    return world_.clock.now();
  }
  ASSAY_ASSIGN_OR_RETURN(const EventTime data_now, store_.data_now());
  return data_now == EventTime::min() ? world_.clock.now() : data_now;
}

void FeatureServer::count(Endpoint endpoint, int status, Duration taken) {
  EndpointMetrics& metrics = metrics_[static_cast<std::size_t>(endpoint)];
  const auto slot = static_cast<std::size_t>(status < kStatusEnd ? status : 0);
  if (metrics.totals[slot].load(std::memory_order_acquire) == nullptr) {
    const MetricLabels labels = {
        {"endpoint", std::string(kPaths[static_cast<std::size_t>(endpoint)])},
        {"status", std::to_string(status)}};
    metrics.feast_totals[slot] = &world_.metrics.counter(
        "feast_feature_server_request_total", "Requests by endpoint and status.", labels);
    metrics.totals[slot].store(
        &world_.metrics.counter(
            "assay_serve_requests_total", "Requests by endpoint and status.", labels),
        std::memory_order_release);
  }
  metrics.totals[slot].load(std::memory_order_relaxed)->add();
  metrics.feast_totals[slot].load(std::memory_order_relaxed)->add();
  metrics.latency->observe(static_cast<double>(taken.micros) * 1e-6);
}

}  // namespace assay::serve
