#include "serve/feature_server.h"

#include <algorithm>

#include "base/json_writer.h"
#include "base/suggest.h"
#include "online/share_store.h"
#include "serve/answer_tag.h"
#include "serve/error_response.h"
#include "serve/feature_response.h"
#include "serve/json_value.h"
#include "serve/known_until_metrics.h"
#include "serve/model_metrics.h"
#include "serve/openapi.h"
#include "serve/permitted.h"
#include "serve/predict.h"
#include "serve/proxy_routes.h"
#include "serve/registry_endpoints.h"
#include "serve/request_rows.h"

namespace assay::serve {
namespace {

constexpr std::string_view kAsOfHeader = "x-assay-as-of";

/// The instant may stand in a header instead of the body; when in both, it is one. A question about
/// the past may not be answered on a thread that took it for none, since its `at` hides behind
/// escapes.
std::optional<Response> take_as_of(const Request& request, RequestBody* body) {
  const std::string_view text = request.header(kAsOfHeader);
  if (!text.empty()) {
    const JsonValue said{std::string(text)};
    const auto one = to_scalar(said, data::Type::kTimestamp);
    const auto other = to_scalar(body->at.value_or(said), data::Type::kTimestamp);
    if (body->at.has_value() && body->at != said &&
        (!one.ok() || !other.ok() || one->value != other->value)) {
      return feast_error(
          422, "FeastError", "`at` and the header x-assay-as-of are two instants; say one");
    }
    body->at = said;
  }
  if (body->at.has_value() && !FeatureServer::is_slow(request)) {
    return feast_error(422, "FeastError", "write the key `at` without escapes");
  }
  return std::nullopt;
}

/// Answers that a client may keep and ask for again by their tag.
bool has_tag(Endpoint endpoint) {
  return endpoint == kGetOnlineFeatures || endpoint == kPredict || endpoint == kRegistry ||
         endpoint == kOpenApi;
}

/// The same as long as the program runs.
const std::string& openapi() {
  static const std::string kDocument = openapi_document();
  return kDocument;
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
          world.metrics.counter("assay_serve_predictions_total", "Rows scored by models.")),
      gate_(world.clock) {
  for (std::size_t endpoint = 0; endpoint < metrics_.size(); ++endpoint) {
    metrics_[endpoint].latency = &world.metrics.histogram(
        "assay_serve_request_seconds",
        "Time to answer a request.",
        {{"endpoint", std::string(endpoint_name(static_cast<Endpoint>(endpoint)))}});
  }
  replace(std::move(state));
}

void FeatureServer::replace(std::shared_ptr<const ServingState> state) {
  auto registry = std::make_shared<const FeastRegistry>(feast_registry(*state));
  auto selections = std::make_shared<Selections>(std::move(state), world_.metrics);
  const std::lock_guard lock(mutex_);
  selections_ = std::move(selections);
  registry_ = std::move(registry);
}

std::shared_ptr<const FeastRegistry> FeatureServer::registry() {
  const std::lock_guard lock(mutex_);
  return registry_;
}

Result<std::shared_ptr<const Caller>> FeatureServer::who(const Request& request) {
  Credentials credentials{request.header("authorization"), request.header("x-api-key"), {}};
  if (request.peer_names != nullptr) {
    credentials.certificate = *request.peer_names;
  }
  return gate_.who(credentials);
}

std::shared_ptr<Selections> FeatureServer::selections() {
  const std::lock_guard lock(mutex_);
  return selections_;
}

bool FeatureServer::is_slow(const Request& request) {
  if (request.method != "POST") {
    return false;  // refused without looking
  }
  const std::string_view target = request.target;
  switch (endpoint_of(target.substr(0, target.find('?')))) {
    case kPush:
    case kWriteToOnlineStore:
    case kExplain:
    case kMaterialize:
    case kMaterializeIncremental:
      return true;
    case kGetOnlineFeatures:
    case kPredict:
      // A question about the past is answered from tables. Of a body that has these letters
      // elsewhere only the thread is another.
      return request.body.find("\"at\"") != std::string::npos ||
             !request.header(kAsOfHeader).empty();
    default:
      return false;
  }
}

bool FeatureServer::is_write(const Request& request) {
  const std::string_view target = request.target;
  const Endpoint endpoint = endpoint_of(target.substr(0, target.find('?')));
  return endpoint == kPush || endpoint == kWriteToOnlineStore;
}

bool FeatureServer::is_urgent(const Request& request) {
  const std::string_view target = request.target;
  const Endpoint endpoint = endpoint_of(target.substr(0, target.find('?')));
  return endpoint == kHealth || endpoint == kMetrics;
}

namespace {

/// Whether it asks for values, of now or then.
bool asks_for_values(const Request& request) {
  const std::string_view target = request.target;
  const Endpoint endpoint = endpoint_of(target.substr(0, target.find('?')));
  return endpoint == kGetOnlineFeatures || endpoint == kPredict;
}

}  // namespace

bool FeatureServer::is_question(const Request& request) {
  return asks_for_values(request) && !is_slow(request);
}

std::function<bool(const Request&)> FeatureServer::slow_of_callers() {
  return [this](const Request& request) {
    // Now or then: a long body is looked through once, for whose work it is.
    const bool is_long = request.body.size() > kLargeBodyBytes && asks_for_values(request);
    return (is_long || is_slow(request)) && who(request).ok();
  };
}

std::optional<Response> FeatureServer::answer_in_time(const Request& request) {
  const Duration begin = world_.clock.monotonic();
  const std::string_view target = request.target;
  const Endpoint endpoint = endpoint_of(target.substr(0, target.find('?')));
  std::optional<Response> response = route(endpoint, request);
  if (!response.has_value()) {
    return response;
  }
  if (response->status == 200 && has_tag(endpoint)) {
    add_tag(request, &*response);
  }
  count(endpoint, response->status, {world_.clock.monotonic().micros - begin.micros});
  return response;
}

std::optional<Response> FeatureServer::route(Endpoint endpoint, const Request& request) {
  if (endpoint == kOther) {
    return detail_error(404, "Not Found");
  }
  const std::string_view target = request.target;
  const std::string_view verb = verb_of(endpoint, target.substr(0, target.find('?')));
  const bool is_probe = request.method == "HEAD" && (endpoint == kHealth || endpoint == kReady);
  if (request.method != verb && !is_probe) {
    Response refusal = detail_error(405, "Method Not Allowed");
    refusal.headers.emplace_back("allow", verb);
    return refusal;
  }
  if (endpoint == kHealth || endpoint == kReady) {
    return endpoint == kReady ? ready() : Response{200, "", "", {}};
  }
  const Result<std::shared_ptr<const Caller>> caller = who(request);
  if (!caller.ok()) {
    Response refusal = detail_error(401, caller.status().message());
    refusal.headers.emplace_back("www-authenticate", "Bearer");
    return refusal;
  }
  return answer(endpoint, request, **caller);
}

std::optional<Response> FeatureServer::answer(Endpoint endpoint,
                                              const Request& request,
                                              const Caller& caller) {
  if ((endpoint == kMetrics && !caller.may("metrics")) ||
      ((endpoint == kRegistry || endpoint == kOpenApi) && !caller.may("registry"))) {
    return not_permitted(caller, endpoint == kMetrics ? "metrics" : "registry", "");
  }
  switch (endpoint) {
    case kGetOnlineFeatures:
      return get_online_features(request, caller);
    case kPredict:
      return predict(request, caller);
    case kMetrics:
      return Response{200,
                      "text/plain; version=0.0.4; charset=utf-8",
                      world_.metrics.to_text() +
                          known_until_metrics(store_, selections()->state()) +
                          model_metrics(selections()->state()),
                      {}};
    case kPush:
      return noted("push_failed", serve::push(selections()->state(), line_, request, caller));
    case kExplain:
      return explain(request, caller);
    case kWriteToOnlineStore:
      return noted("push_failed",
                   write_to_online_store(selections()->state(), line_, request, caller));
    case kMaterialize:
    case kMaterializeIncremental:
      return materialize(
          selections()->state(), line_, request, endpoint == kMaterializeIncremental, caller);
    case kSearch:
    case kRetrieveDocuments:
    case kVectorStores:
      return vector_search(request);
    case kRegistry:
      return registry_get(*registry(), request);
    case kOpenApi:
      return Response{200, "application/json", openapi(), {}};
    default:
      return Response{200, "", "", {}};
  }
}

/// Which entities the store has, and how requests name the key that decides; nothing: all of them.
std::optional<ShareMap> share_map(const online::OnlineStore& store, const ServingState& state) {
  const catalog::ShareDef* const share = online::share_of(store);
  if (share == nullptr) {
    return std::nullopt;
  }
  ShareMap map{*share, data::Type::kString, {}};
  for (const auto& [name, view] : state.views) {
    for (const data::Field& key : view->keys()) {
      if (key.name == share->key) {
        map.type = key.type;
      }
    }
  }
  for (const auto& [entity, key] : feast_entity_keys(state)) {
    if (key == share->key && entity != key) {
      map.other_names.push_back(entity);
    }
  }
  return map;
}

/// How many models are asked in an older version than the one that should be served.
std::size_t models_kept(const ServingState& state) {
  return static_cast<std::size_t>(std::ranges::count_if(
      state.models, [](const auto& model) { return !model.second.instead_of.empty(); }));
}

/// Whether features can be answered: the store says where each of its views stands.
Response FeatureServer::ready() {
  if (is_draining_) {
    return detail_error(503, "Server is stopping");
  }
  const std::shared_ptr<Selections> selections = this->selections();
  const ServingState& state = selections->state();
  for (const auto& [name, view] : state.views) {
    const Result<std::optional<online::AppliedTo>> applied = store_.known_applied_to(*view);
    const Status is_there =
        applied.ok() ? check_is_there(*view, *applied) : Status(applied.status());
    if (!is_there.ok()) {
      return failure_response(is_there);
    }
  }
  Response response;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("ready");
  writer.boolean(true);
  for (const auto& [name, count] : {std::pair{"views", state.views.size()},
                                    std::pair{"services", state.services.size()},
                                    std::pair{"models", state.models.size()},
                                    std::pair{"models_not_served", state.models_not_served.size()},
                                    std::pair{"models_kept", models_kept(state)}}) {
    writer.key(name);
    writer.integer(static_cast<int64_t>(count));
  }
  if (const std::optional<ShareMap> share = share_map(store_, state)) {
    writer.key("share");
    writer.raw(share_as_json(*share));
  }
  writer.end_object();
  return response;
}

bool FeatureServer::can_predict() {
  const std::shared_ptr<Selections> selections = this->selections();
  const ServingState& state = selections->state();
  return !state.models.empty() || state.models_not_served.empty();
}

std::optional<Response> FeatureServer::get_online_features(const Request& request,
                                                           const Caller& caller) {
  ParsedBody parsed = parse_request_body(request.body);
  if (!parsed.errors.empty()) {
    feature_requests_.add();
    return validation_error(parsed.errors);
  }
  if (const std::optional<Response> refusal = take_as_of(request, &parsed.body)) {
    feature_requests_.add();
    return *refusal;
  }
  const bool with_view_versions = parsed.body.with_view_versions;
  FeaturesAsked asked = ask_features(std::move(parsed.body), caller, request.pace);
  if (asked.is_large) {
    return std::nullopt;
  }
  if (asked.flat.has_value()) {
    Response response =
        answered(asked.selection->form->render(asked.typed, *asked.flat, with_view_versions),
                 asked.flat->now,
                 asked.flat->known_until);
    keep_memory_of(*std::move(asked.flat));
    return response;
  }
  if (!asked.answer.has_value()) {
    return asked.refusal;
  }
  return answered(render_features(*asked.selection, asked.typed, *asked.answer, with_view_versions),
                  asked.answer->now,
                  asked.answer->known_until);
}

Pushed FeatureServer::push(const WriteBody& rows, std::string_view key, const Caller& caller) {
  Pushed pushed = push_rows(selections()->state(), line_, rows, key, caller);
  if (pushed.refusal.has_value()) {
    pushed.refusal = noted("push_failed", *std::move(pushed.refusal));
  }
  return pushed;
}

std::optional<Response> FeatureServer::predict(const Request& request, const Caller& caller) {
  ParsedBody parsed = parse_request_body(request.body);
  if (!parsed.errors.empty()) {
    return validation_error(parsed.errors);
  }
  if (const std::optional<Response> refusal = take_as_of(request, &parsed.body)) {
    return *refusal;
  }
  const PredictionsAsked asked = ask_predictions(parsed.body, caller, request.pace);
  if (asked.is_large) {
    return std::nullopt;
  }
  if (!asked.predictions.has_value()) {
    return asked.refusal;
  }
  const FeatureAnswer& features = asked.predictions->features;
  return answered(render_predictions(*asked.model, *asked.predictions, parsed.body.with_features),
                  features.now,
                  features.known_until);
}

/// What could not be read. A question that the tables cannot answer is no fault of the server.
Response FeatureServer::failed(std::string_view event, const Status& status) {
  if (status.code() == Code::kOutOfRange) {
    return feast_error(422, "FeastError", status.message());
  }
  return noted(event, failure_response(status));
}

/// A response; when its reason does not pass by itself, and somebody must act, it is logged.
Response FeatureServer::noted(std::string_view event, Response response) {
  if (response.status == 500 || response.status == 507) {
    world_.log.error(event, {{"answer", response.body}});
  }
  return response;
}

void FeatureServer::count(Endpoint endpoint, int status, Duration taken) {
  EndpointMetrics& metrics = metrics_[static_cast<std::size_t>(endpoint)];
  const auto slot = static_cast<std::size_t>(status < kStatusEnd ? status : 0);
  if (metrics.totals[slot].load(std::memory_order_acquire) == nullptr) {
    const MetricLabels labels = {{"endpoint", std::string(endpoint_name(endpoint))},
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
