#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/world.h"
#include "online/online_store.h"
#include "serve/http_server.h"
#include "serve/line_control.h"
#include "serve/predict.h"
#include "serve/request_rows.h"
#include "serve/selection.h"
#include "serve/served_log.h"
#include "serve/serving_state.h"

namespace assay::serve {

/// What a question for features came to.
struct FeaturesAsked {
  std::shared_ptr<const Selection> selection;
  TypedRows typed;
  std::optional<FeatureAnswer> answer;  // nothing: see refusal
  Response refusal;
};

/// What a question for predictions came to.
struct PredictionsAsked {
  const ServingModel* model = nullptr;     // of `state`
  std::optional<Predictions> predictions;  // nothing: see refusal
  Response refusal;
  std::shared_ptr<Selections> state;
};

/// Answers HTTP requests from an online store: every endpoint of Feast's feature server, its
/// registry's lists, our /predict, and /metrics. The contract is docs/reference/http.md.
///
/// Threads thread-safe. A request is answered from the state that it began with.
class FeatureServer {
 public:
  /// `log`, when given, takes every answer; `line` is asked to take rows in, and how far it is.
  /// Both must outlive this object.
  FeatureServer(World& world,
                online::OnlineStore& store,
                std::shared_ptr<const ServingState> state,
                ServedLog* log = nullptr,
                LineControl* line = nullptr);

  Response handle(const Request& request);
  /// The question of a request, however it came here: read, counted, and logged when there is a
  /// log.
  FeaturesAsked ask_features(RequestBody body);
  PredictionsAsked ask_predictions(const RequestBody& body);
  /// Answer later requests from another state: new definitions, a promoted model.
  void replace(std::shared_ptr<const ServingState> state);
  /// handle() as a Handler; this object must outlive it.
  Handler handler() {
    return [this](const Request& request) { return handle(request); };
  }

 private:
  static constexpr int kStatusEnd = 600;
  enum Endpoint {
    kGetOnlineFeatures,
    kPredict,
    kHealth,
    kMetrics,
    kPush,
    kWriteToOnlineStore,
    kMaterialize,
    kMaterializeIncremental,
    kSearch,
    kRetrieveDocuments,
    kVectorStores,
    kRegistry,
    kOther,
    kEndpointCount
  };
  struct EndpointMetrics {
    Histogram* latency = nullptr;
    std::array<std::atomic<Counter*>, kStatusEnd> totals{};
    std::array<std::atomic<Counter*>, kStatusEnd> feast_totals{};
  };

  static Endpoint endpoint_of(std::string_view path);
  static bool asks_by_post(Endpoint endpoint, std::string_view path);
  Response route(Endpoint endpoint, const Request& request);
  Response get_online_features(const Request& request);
  Response predict(const Request& request);
  Result<EventTime> now(const ServingState& state);
  std::shared_ptr<Selections> selections();
  void count(Endpoint endpoint, int status, Duration taken);

  World& world_;
  online::OnlineStore& store_;
  ServedLog* log_;
  LineControl* line_;
  Counter& feature_requests_;
  Counter& entities_;
  Counter& predictions_;
  std::mutex mutex_;
  std::shared_ptr<Selections> selections_;
  std::array<EndpointMetrics, kEndpointCount> metrics_;
};

}  // namespace assay::serve
