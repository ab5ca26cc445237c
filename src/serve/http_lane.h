#pragma once

#include <memory>
#include <optional>

#include "serve/connection_slot.h"
#include "serve/held_bytes.h"
#include "serve/http_server.h"
#include "serve/slow_requests.h"

namespace assay::serve {

/// What the lanes of an HTTP server are given, which must outlive them.
struct HttpLaneParts {
  World& world;
  const HttpOptions& options;
  SlowRequests& slow;
  ByteBudget& budget;
};

/// One thread's connections of an HTTP server.
class HttpLane {
 public:
  static std::unique_ptr<HttpLane> make(const HttpLaneParts& parts);
  virtual ~HttpLane() = default;
  /// Serve connections on the calling thread, until the last one has ended after drain().
  virtual void run() = 0;
  /// Take a connection over, from any thread. `handshake`: of one that has to agree on TLS, until
  /// it has.
  virtual void take(int socket, ConnectionSlot slot, std::optional<ConnectionSlot> handshake) = 0;
  /// Take no more, close connections that are idle and others when their answer is sent; from any
  /// thread.
  virtual void drain() = 0;
};

}  // namespace assay::serve
