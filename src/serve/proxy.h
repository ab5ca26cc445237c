#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/world.h"
#include "serve/http_asker.h"
#include "serve/http_server.h"
#include "serve/relaying.h"

namespace assay::serve {

struct ProxyOptions {
  std::vector<ServerAddress> servers;
  int threads = 0;                                  // that ask them; 0: one per core
  Duration answer_max{5 * kMicrosPerSecond};        // of a server, to what it has in memory
  Duration slow_answer_max{60 * kMicrosPerSecond};  // to what FeatureServer::is_slow names
  Duration look_every{kMicrosPerSecond};            // at whether a server can be asked
  int requests_max = 10'000;                        // under way; beyond 503
  std::size_t bytes_max = 256U << 20U;              // of their bodies, three times each; beyond 503
  std::size_t answer_bytes_max = 512U << 20U;  // of answers that arrive or are put together; 503
};

/// One address in front of servers that each have a share of the entities (`share:` of a project).
/// It knows no definitions: which shares there are, and the key that decides, is what servers say
/// at /ready. A question for features or predictions is asked of the shares that its rows are in,
/// at the same time, and answered when all of them have; what one server can answer goes to one.
///
/// A server that does not answer is not asked again until it says that it is ready. Questions for
/// rows of a share without a server are 503; others are answered.
/// Threads thread-safe.
class Proxy {
 public:
  /// Looks at all servers once before it returns; those that are away may come later.
  static std::unique_ptr<Proxy> start(World& world, ProxyOptions options);
  virtual ~Proxy() = default;
  /// Whether a request is about the proxy itself: GET /health, /ready and /metrics.
  static bool is_own(const Request& request);
  /// Answers such a request.
  virtual Response handle(const Request& request) = 0;
  /// Answers any other: Relay.
  virtual std::optional<Response> relay(Request request, Answered done) = 0;
  /// Say at /ready that this program stops, and relay as before.
  virtual void drain() = 0;
  /// Requests that are under way then are 503, and so are later ones.
  virtual void end_within(Duration time) = 0;
};

}  // namespace assay::serve
