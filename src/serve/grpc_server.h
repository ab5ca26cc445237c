#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "serve/access.h"
#include "serve/grpc_reply.h"
#include "serve/pace.h"
#include "serve/slow_work.h"
#include "serve/tls.h"

namespace assay::serve {

/// Answers one message of a call; `method` is "/package.Service/Method". The same for every message
/// of a call that sends several. `credentials`: of the metadata `authorization` and `x-api-key`,
/// and of the connection. Called on the server's threads, on several at once. Nothing: it takes
/// long, and GrpcPast::answer is asked for it, which there must be then.
using GrpcHandler = std::function<std::optional<Result<GrpcReply>>(
    std::string_view method, std::string_view request, const Credentials& credentials)>;

/// Where calls with the metadata `x-assay-as-of` are answered, whose text is the third argument,
/// those of methods that wait for a disk, and those that the handler left or that are very long:
/// they do it apart from the others. Who finds no room there is told when to ask again: by
/// `grpc-retry-pushback-ms`, and google.rpc.RetryInfo in the details.
struct GrpcPast {
  SlowWork* slow = nullptr;    // must outlive the server, and be stopped before it
  SlowWork* writes = nullptr;  // the same, for methods that is_slow names; nullptr: `slow`
  SlowWork* large = nullptr;   // the same, for what computes for long; nullptr: nothing does
  std::function<Status(const Credentials& credentials)> may_wait;  // who is refused does not queue
  std::function<bool(std::string_view method)>
      is_slow;  // whatever instant it is about; may be empty
  /// `pace`: the client waits, and the server goes on.
  std::function<Result<GrpcReply>(std::string_view method,
                                  std::string_view request,
                                  const Credentials& credentials,
                                  std::string_view as_of,
                                  const Pace& pace)>
      answer;
};

struct GrpcOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 6567;  // 0: any free one
  int message_bytes_max = 8 << 20;
  std::size_t buffer_bytes_max = 256 << 20;  // what all connections may hold that is not read yet
  int connection_calls_max = 128;            // under way on one connection; more of them wait
  int calls_max = 10'000;                    // on all of them; more are RESOURCE_EXHAUSTED at once
  int connections_max = 10'000;  // more are 503 of HTTP/1.1, and calls UNAVAILABLE; with TLS
                                 // closed
  /// While at least `turn_calls` wait to be answered, one that has waited longer than this is
  /// UNAVAILABLE at once.
  Duration turn_max{kMicrosPerSecond};
  int turn_calls = 64;
  Duration idle_timeout{300 * kMicrosPerSecond};  // of a connection without calls
  Duration handshake_timeout{10 * kMicrosPerSecond};
  TlsSource tls{};                               // empty: plain gRPC; else TLS 1.3
  Duration age_max{600 * kMicrosPerSecond};      // of a connection: then it is made anew
  Duration age_grace{10 * kMicrosPerSecond};     // for calls that are open then; they are cut off
  Duration read_timeout{10 * kMicrosPerSecond};  // until a call has sent its first message
  int watches_max = 1000;                        // of health, at once; more are RESOURCE_EXHAUSTED
  GrpcPast past{};                               // without `slow`: such calls are UNIMPLEMENTED
};

/// A gRPC server of bytes in and bytes out, within the limits of its options. Nothing is answered
/// whose client has gone, or does not wait any more; health is, however busy it is. Who watches it
/// is answered by the handler's `grpc.health.v1.Health/Watch`, which is asked each second, and gets
/// what has changed.
/// Threads thread-safe.
class GrpcServer {
 public:
  virtual ~GrpcServer() = default;
  /// The port it listens on.
  [[nodiscard]] virtual uint16_t port() const = 0;
  /// Tell who watches health what it is by now; at once, not only each second.
  virtual void tell_health() = 0;
  /// Take no more calls, finish those under way, end the threads.
  virtual void stop() = 0;
};

/// Let gRPC speak no TLS older than 1.3 in this process. It is told by the environment: call this
/// before any thread starts.
void refuse_old_tls();

/// Listen and answer until stopped or destroyed.
///
/// Errors  kUnavailable: the address is in use; kInvalidArgument: it is none; kPermissionDenied: a
///         port that needs more rights; kFailedPrecondition: TLS, and refuse_old_tls() was not
///         called.
Result<std::unique_ptr<GrpcServer>> start_grpc_server(World& world,
                                                      GrpcHandler handler,
                                                      const GrpcOptions& options);

}  // namespace assay::serve
