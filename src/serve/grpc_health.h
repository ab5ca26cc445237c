#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace assay::serve {

// grpc.health.v1.Health, of bytes in and bytes out.

inline constexpr std::string_view kHealthCheck = "/grpc.health.v1.Health/Check";
inline constexpr std::string_view kHealthWatch = "/grpc.health.v1.Health/Watch";

inline constexpr std::string_view kHealthService = "grpc.health.v1.Health";
inline constexpr std::string_view kRegistryServiceName = "feast.registry.RegistryServer";

/// Of services that read no rows: the registry's can answer until its server stops, health as long
/// as anything is answered. Nothing: it is none of these.
inline std::optional<bool> health_without_rows(std::string_view service, bool is_draining) {
  if (service == kRegistryServiceName) {
    return !is_draining;
  }
  return service == kHealthService ? std::optional(true) : std::nullopt;
}

/// Whether a service can answer by now ("": the server as a whole); nothing: there is none of that
/// name. Called on several threads.
using HealthOf = std::function<std::optional<bool>(std::string_view service)>;

/// Answer a HealthCheckRequest of Check, or of Watch as it would begin now.
///
/// Errors  kInvalidArgument: not the message. kNotFound: Check of a service that is not known,
/// which
///         Watch answers with SERVICE_UNKNOWN.
Result<std::string> answer_health(std::string_view method,
                                  std::string_view request,
                                  const HealthOf& health);

/// Somebody who watches health, as his call knows him. Nothing is asked of him any more after
/// finish().
class HealthWatch {
 public:
  virtual ~HealthWatch() = default;
  /// Send an answer, and call HealthWatches::written() when that is done, or is not.
  virtual void write(const std::string& answer) = 0;
  virtual void finish(const Status& why) = 0;
};

/// All who watch: each gets the answer to his request, and a new one when it has changed.
///
/// Threads thread-safe. Nothing of a HealthWatch is called under a lock.
/// Cost    tell_all: a question for each different service, however many watch it.
class HealthWatches {
 public:
  /// What Watch answers to a request by now.
  using Ask = std::function<Result<std::string>(const std::string& request)>;
  explicit HealthWatches(Ask ask) : ask_(std::move(ask)) {}

  /// Somebody who has not said yet what he watches; he must be removed before he goes.
  void add(HealthWatch& watch);
  void begin(HealthWatch& watch, std::string request);
  void written(HealthWatch& watch, bool ok);
  /// Finish it once, behind what is being written.
  void end(HealthWatch& watch, const Status& why);
  void remove(HealthWatch& watch);
  /// Send to each what he was not told yet.
  void tell_all();
  /// Finish all, and those that come from now on: calls that stay open would hold a stopping server
  /// up.
  void end_all();
  [[nodiscard]] int count() const;

 private:
  struct State {
    std::optional<std::string> request;  // once it is there; of the service and no more
    std::optional<std::string> told;
    bool is_writing = false;
    bool is_over = false;
    std::optional<Status> end;  // as soon as nothing is being written
  };
  static bool take_up(const std::string& answer, State* state);
  static bool take_end(const Status& why, State* state);

  const Ask ask_;
  mutable std::mutex mutex_;
  std::map<HealthWatch*, State> states_;
  bool is_over_ = false;
};

}  // namespace assay::serve
