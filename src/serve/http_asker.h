#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/time.h"
#include "serve/held_bytes.h"
#include "serve/http_server.h"

namespace assay::serve {

/// Where a server listens.
struct ServerAddress {
  std::string host;
  uint16_t port = 0;
};

/// What waits for connections apart from others: questions that may take long would hold all of
/// them, and whether a server is ready must be heard also then.
enum class AskLane { kOrdinary, kSlow, kLook };

/// A request on its way to another server.
struct WireQuestion {
  std::string bytes;  // all of it, head and body
  AskLane lane = AskLane::kOrdinary;
  bool is_head = false;
  bool may_repeat = true;  // false: it is sent on a new connection, and never twice
  Duration answer_max{5 * kMicrosPerSecond};  // until all of its answer is there
};

/// Asks other servers over HTTP/1.1 on one thread, over connections that are kept. A server that is
/// slow, or silent, keeps nobody waiting but those who ask it.
///
/// Threads thread-safe.
class HttpAsker {
 public:
  struct Options {
    std::size_t connections_max = 64;  // to one server; more ordinary questions wait for one
    std::size_t slow_max = 32;         // besides, for slow ones; looks wait for none
    std::size_t waiting_max = 1'000;   // of each kind; further ones fail
    std::size_t answer_bytes_max = 256U << 20U;
    ByteBudget* arriving = nullptr;  // what answers hold of it until they are there; may be shared
    Duration connect_max{kMicrosPerSecond};
    Duration idle_max{60 * kMicrosPerSecond};  // a connection that is older is not used again
  };
  /// Called once, on the asker's thread: the answer, whatever its status.
  ///
  /// Errors  kUnavailable: not reached, nothing was sent; kAborted: it went away, and may have done
  ///         what it was asked; kDeadlineExceeded: no answer in time, the same;
  ///         kResourceExhausted: too many ask it, nothing was sent, and nothing is known of it;
  ///         kOutOfRange: there is no room for its answer. The last two say nothing of the server.
  using Done = std::function<void(Result<Response>)>;

  static std::unique_ptr<HttpAsker> start(Clock& clock,
                                          const std::vector<ServerAddress>& servers,
                                          const Options& options);
  virtual ~HttpAsker() = default;
  /// Ask the server of this index.
  virtual void ask(std::size_t server, WireQuestion question, Done done) = 0;
  /// What is not answered then fails with kUnavailable, and so does what is asked later.
  virtual void end_within(Duration time) = 0;
};

}  // namespace assay::serve
