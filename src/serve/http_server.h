#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "serve/pace.h"
#include "serve/slow_work.h"
#include "serve/tls.h"

namespace assay::serve {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // "GET", "POST", ...
  std::string target;  // path and query as sent
  Headers headers;     // names in lower case
  std::string body;
  std::shared_ptr<const PeerNames> peer_names{};  // of the client's certificate; may be nullptr
  Pace pace{};                                    // of its answer, for the server to say

  /// Value of the first header of this name, "" when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const {
    for (const auto& [known, value] : headers) {
      if (known == name) {
        return value;
      }
    }
    return "";
  }
};

/// What answers from the store say of themselves; text only where it is sent, as headers before the
/// others.
struct AnswerMarks {
  std::optional<EventTime> as_of{};        // x-assay-as-of: the instant that was answered for
  std::optional<EventTime> known_until{};  // x-assay-known-until
  std::optional<uint64_t> tag{};           // etag: the body's
  bool operator==(const AnswerMarks&) const = default;
};

struct Response {
  int status = 200;
  std::string_view content_type = "application/json";  // a literal; "": no such header
  std::string body;
  Headers headers;
  AnswerMarks marks{};
};

/// Answers one request; called on the server's threads, on several at once. Nothing, when it is
/// hurried: it takes long, and is asked again as a slow one.
using Handler = std::function<std::optional<Response>(const Request&)>;

struct HttpOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 6566;  // 0: any free one
  int threads = 0;       // 0: one per core
  std::size_t header_bytes_max = 16 << 10;
  std::size_t body_bytes_max = 8 << 20;
  int streams_max = 100;  // requests under way at once on a connection of HTTP/2
  int connections_max = 10'000;
  int handshakes_max = 1'000;  // of them, that have not agreed on TLS yet
  /// Of requests that are not whole and answers that are not sent, of all connections together;
  /// of each what is above 64 KiB counts.
  std::size_t held_bytes_max = 256 << 20;
  /// From a request's first byte to its last, and for each 64 KiB, or thirtieth, of its answer.
  Duration read_timeout{10 * kMicrosPerSecond};
  Duration idle_timeout{120 * kMicrosPerSecond};  // between requests
  Duration drain_max{5 * kMicrosPerSecond};       // how long stop() waits for requests under way
  /// When what arrives waits longer than this for its turn, it is answered 503 until it does not.
  Duration turn_max{kMicrosPerSecond};
  /// Says of a request that it is answered also then. Empty: none is.
  std::function<bool(const Request&)> is_urgent{};
  /// Says of a request that it may wait for a disk or another program: it is answered on threads of
  /// its own, so that no other waits for it. Empty: none does.
  std::function<bool(const Request&)> is_slow{};
  /// Says of a slow request that it waits apart from the others, with limits of its own. Empty:
  /// none does.
  std::function<bool(const Request&)> is_write{};
  /// Says of a slow request, or one that the handler left, that it computes rather than waits:
  /// those have as many threads as connections have, and limits of their own. Empty: none does.
  std::function<bool(const Request&)> is_large{};
  SlowLimits slow{};  // beyond its numbers 429, beyond its time 503
  TlsSource tls{};    // empty: plain HTTP
};

/// How many threads HttpOptions::threads means.
int lane_count(int threads);

/// A server of HTTP/1.1, with keep-alive and pipelining, and of HTTP/2; one thread per core.
///
/// With TLS a connection must agree within read_timeout; what is no TLS at all is 400 in plain
/// HTTP. What it answers by itself: 429 when too many slow requests wait; 503 when they wait too
/// long, or everything does, or there is no room for the answer (413 when there never is); and,
/// closing then (but not over HTTP/2), 400 not HTTP, 413 body too large, 431 headers too large, 503
/// too many connections or no room for the request. A request that is not whole within read_timeout
/// is cut off, and so is an answer of which the client takes too little in it. Threads thread-safe.
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  /// The port it listens on.
  [[nodiscard]] virtual uint16_t port() const = 0;
  /// Take no more connections, finish requests under way, close the rest, end the threads.
  virtual void stop() = 0;
};

/// Listen and answer until stopped or destroyed.
///
/// Errors  kUnavailable: the address is in use, with the port named; kInvalidArgument: not an
/// address;
///         kPermissionDenied: a port that needs more rights.
Result<std::unique_ptr<HttpServer>> start_http_server(World& world,
                                                      Handler handler,
                                                      const HttpOptions& options);

}  // namespace assay::serve
