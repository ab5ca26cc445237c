#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/world.h"
#include "online/online_store.h"
#include "serve/endpoints.h"
#include "serve/feast_registry.h"
#include "serve/feast_writes.h"
#include "serve/gate.h"
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
  std::optional<FlatAnswer> flat;       // of a flat service
  std::optional<FeatureAnswer> answer;  // else; none of the two: see refusal
  bool is_large = false;                // it was hurried, and is not answered: ask it in peace
  Response refusal;
};

/// What a question for predictions came to.
struct PredictionsAsked {
  const ServingModel* model = nullptr;     // of `state`, or `of_then`
  std::optional<Predictions> predictions;  // nothing: see refusal
  bool is_large = false;                   // as of FeaturesAsked
  Response refusal;
  std::shared_ptr<Selections> state;
  std::shared_ptr<const ServingModel> of_then{};  // of a question about the past
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

  /// The answer, however long it takes.
  Response handle(const Request& request) { return *answer_in_time(request); }
  /// The same; nothing when the request is hurried and would take long.
  std::optional<Response> answer_in_time(const Request& request);
  /// Whether a request waits for a disk or tables.
  static bool is_slow(const Request& request);
  /// Whether it is a push, which waits for nobody's question: HttpOptions::is_write.
  static bool is_write(const Request& request);
  /// Whether it is a question for what is now, which computes: HttpOptions::is_large.
  static bool is_question(const Request& request);
  /// is_slow() and questions of long bodies, as HttpOptions::is_slow takes it: requests of callers
  /// who are not known do not queue, they are refused at once. This object must outlive it.
  std::function<bool(const Request&)> slow_of_callers();
  /// Whether a request is about the server itself, and answered when others are shed:
  /// HttpOptions::is_urgent.
  static bool is_urgent(const Request& request);
  /// The question of a request, however it came here: read, counted, and logged when there is a
  /// log.
  FeaturesAsked ask_features(RequestBody body, const Caller& caller, const Pace& pace = {});
  PredictionsAsked ask_predictions(const RequestBody& body,
                                   const Caller& caller,
                                   const Pace& pace = {});
  /// Rows for a source, once under `key` ("": however often they come). It waits for a disk.
  Pushed push(const WriteBody& rows, std::string_view key, const Caller& caller);
  /// Whether features can be answered: what /ready says.
  bool is_ready() { return ready().status == 200; }
  /// Whether a model can be asked, if any was trained.
  bool can_predict();
  /// From now on /ready and gRPC's health say that nothing more should be asked here. All else is
  /// answered as before.
  void drain() { is_draining_ = true; }
  [[nodiscard]] bool is_draining() const { return is_draining_; }
  /// Who is let in. Health and readiness are open.
  Gate& gate() { return gate_; }
  /// What is served, in Feast's words.
  std::shared_ptr<const FeastRegistry> registry();
  /// Answer later requests from another state: new definitions, a promoted model.
  void replace(std::shared_ptr<const ServingState> state);
  /// Answer every question in the way that any of them could take, from now on: the twin of the
  /// quick one, for tests.
  void answer_in_general() { is_quick_ = false; }
  /// answer_in_time() as a Handler; this object must outlive it.
  Handler handler() {
    return [this](const Request& request) { return answer_in_time(request); };
  }

 private:
  static constexpr int kStatusEnd = 600;
  /// Where a question is answered from, for which instant, or why it is not.
  struct Asking {
    ViewReads reads;
    EventTime at;
    bool of_the_past = false;
    bool of_the_data = false;  // `at` is where the data's own clock stood
    std::optional<Response> refusal;
  };
  struct EndpointMetrics {
    Histogram* latency = nullptr;
    std::array<std::atomic<Counter*>, kStatusEnd> totals{};
    std::array<std::atomic<Counter*>, kStatusEnd> feast_totals{};
  };

  Result<std::shared_ptr<const Caller>> who(const Request& request);
  std::optional<Response> route(Endpoint endpoint, const Request& request);
  std::optional<Response> answer(Endpoint endpoint, const Request& request, const Caller& caller);
  std::optional<Response> get_online_features(const Request& request, const Caller& caller);
  std::optional<Response> predict(const Request& request, const Caller& caller);
  FeaturesAsked features_asked(RequestBody body, const Caller& caller, const Pace& pace);
  Response explain(const Request& request, const Caller& caller);
  Response ready();
  Asking reads_for(const ServingState& state, const std::optional<JsonValue>& at, const Pace& pace);
  /// From the store as it is: a flat service's answer without a Scalar a value. Nothing: it has to
  /// be asked for in the other way.
  Result<std::optional<FlatAnswer>> flat_answer(const gold::Service& service,
                                                const RequestRows& rows,
                                                const Asking& asking);
  void score(const RequestBody& body,
             const Caller& caller,
             const Pace& pace,
             PredictionsAsked* asked);
  Result<Predictions> predict_rows(const ServingModel& model,
                                   const RequestBody& body,
                                   const RequestRows& rows,
                                   const Asking& asking);
  void count(const FeaturesAsked& asked);
  Response failed(std::string_view event, const Status& status);
  Response noted(std::string_view event, Response response);
  Result<EventTime> now(const ServingState& state);
  std::shared_ptr<Selections> selections();
  void count(Endpoint endpoint, int status, Duration taken);

  World& world_;
  online::OnlineStore& store_;
  ServedLog* log_;
  LineControl* line_;
  bool is_quick_ = true;
  std::atomic<bool> is_draining_{false};
  Counter& feature_requests_;
  Counter& entities_;
  Counter& predictions_;
  std::mutex mutex_;
  std::shared_ptr<Selections> selections_;
  std::shared_ptr<const FeastRegistry> registry_;  // of the same state
  Gate gate_;
  std::array<EndpointMetrics, kEndpointCount> metrics_;
};

}  // namespace assay::serve
