#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "serve/answer_template.h"
#include "serve/feast_registry.h"
#include "serve/http_server.h"
#include "serve/json_request.h"
#include "serve/serving_state.h"

namespace assay::serve {

/// What one kind of request asks for, resolved once: features, their output names, its counters.
///
/// Threads immutable; counters are thread-safe.
struct Selection {
  std::shared_ptr<const gold::Service> service;
  std::vector<std::string> names;  // output name per feature
  std::string names_message;       // the same as fields 1 of a protobuf message
  /// Counters of features of one view that stand side by side.
  struct StatusTotals {
    std::size_t end = 0;                                      // behind the last of these features
    std::array<Counter*, data::kFeatureStatuses> counters{};  // one for each status
  };
  std::vector<StatusTotals> status_totals;  // of all features, in their order
  Histogram* latency = nullptr;
  std::optional<AnswerTemplate> form{};  // of a flat service
};

/// A selection, or the response that says why there is none.
struct Selected {
  std::shared_ptr<const Selection> selection;
  Response refusal;
};

/// Resolves `feature_service` or `features` of requests against one serving state, and remembers.
///
/// Threads thread-safe.
/// Cost    one look-up for a selection seen before; at most kSelectionsMax are kept, of about
///         `bytes_max` together.
class Selections {
 public:
  static constexpr std::size_t kSelectionsMax = 1024;
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20;

  Selections(std::shared_ptr<const ServingState> state,
             Metrics& metrics,
             std::size_t bytes_max = kBytesMax);

  [[nodiscard]] const ServingState& state() const { return *state_; }
  /// Unknown services and views are refused with 404, all else that is wrong with 422; `suggests`:
  /// with the name that resembles what is not there.
  Selected select(const RequestBody& body, bool suggests = true);
  /// An entity's name that stands where its key should becomes the key's, as Feast takes it.
  void name_keys(const gold::Service& service, std::vector<JsonColumn>* entities) const;

 private:
  void remember(std::string key, const std::shared_ptr<const Selection>& selection);
  [[nodiscard]] Selected resolve(const RequestBody& body, bool suggests) const;
  Selected finish(std::shared_ptr<const gold::Service> service,
                  bool full_names,
                  bool is_of_service) const;
  [[nodiscard]] std::array<Counter*, data::kFeatureStatuses> status_counters(
      const std::string& view) const;

  const std::shared_ptr<const ServingState> state_;
  Metrics& metrics_;
  const std::map<std::string, std::string> entity_keys_;  // by the entity's name
  const std::size_t bytes_max_;
  Gauge& bytes_gauge_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Selection>, std::less<>> known_;
  std::size_t known_bytes_ = 0;  // of these, about
};

}  // namespace assay::serve
