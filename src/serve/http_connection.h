#pragma once

#include <memory>
#include <optional>
#include <unordered_set>

#include "serve/connection_slot.h"
#include "serve/connection_times.h"
#include "serve/http2_session.h"
#include "serve/http_head.h"
#include "serve/http_lane.h"
#include "serve/owned_socket.h"
#include "serve/server_counters.h"
#include "serve/spare_strings.h"
#include "serve/turn_wait.h"
#include "serve/unsent_answers.h"

namespace boost::asio {
class io_context;
}

namespace assay::serve {

class HttpConnection;

/// What the connections of one thread share.
///
/// Threads one thread at a time.
struct ConnectionLane : HttpLaneParts {
  /// Whose answers they are.
  using Unsent = UnsentAnswers<std::shared_ptr<HttpConnection>>;

  /// The end of `loop` ends the last connections: this object outlives it, `answers` does not.
  ConnectionLane(const HttpLaneParts& parts, boost::asio::io_context& loop, Unsent& answers)
      : HttpLaneParts(parts), context(loop), unsent(answers) {}
  virtual ~ConnectionLane() = default;
  ConnectionLane(const ConnectionLane&) = delete;
  ConnectionLane& operator=(const ConnectionLane&) = delete;

  /// How long what arrives now waits for its turn. `instant`: by the clock's monotonic().
  Duration turn_wait(Duration instant) {
    if (!draining && turn.due_at(instant)) {
      send_mark();
    }
    return turn.at(instant);
  }
  /// Queue a mark of `turn` behind what is ready.
  virtual void send_mark() = 0;
  /// A connection has ended.
  virtual void finish_drain_if_empty() = 0;

  boost::asio::io_context& context;
  Unsent& unsent;
  ServerCounters counters{world.metrics};
  std::unordered_set<HttpConnection*> connections;
  ConnectionTimes<HttpConnection> times{{options.idle_timeout, options.read_timeout, kLingerMax}};
  ConnectionTimes<TimedStream> stream_times{
      {options.idle_timeout, options.read_timeout, kLingerMax}};  // of HTTP/2
  bool draining = false;
  bool is_notice_over = false;  // since a moment: clients of HTTP/2 had time to hear of it
  TurnWait turn{world.clock};
  HeadDate date{world.clock};
  SpareStrings spares;
  Request request;  // that is being read; its memory serves for the next one

  static constexpr Duration kLingerMax{2 * kMicrosPerSecond};
};

/// One connection. It lives as long as something waits on it.
///
/// Threads that of its lane.
class HttpConnection {
 public:
  /// Serve a connection. `handshake`: of one that has to agree on TLS, until it has.
  static void start(ConnectionLane& lane,
                    OwnedSocket socket,
                    ConnectionSlot slot,
                    std::optional<ConnectionSlot> handshake);
  virtual ~HttpConnection() {
    lane_.connections.erase(this);
    lane_.times.remove(time_);
    lane_.finish_drain_if_empty();
  }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  /// End the connection; whatever waits on it fails, and the connection with it.
  virtual void close() = 0;
  /// Its time is over.
  virtual void end_late() = 0;
  /// Close when nothing is under way; else what is under way is the last.
  virtual void drain() = 0;
  /// Send what is ready; then the next request may follow.
  virtual void send_answer() = 0;
  [[nodiscard]] const ConnectionTimes<HttpConnection>::Place& time() const { return time_; }

 protected:
  explicit HttpConnection(ConnectionLane& lane) : lane_(lane) { lane_.connections.insert(this); }

  ConnectionLane& lane_;
  ConnectionTimes<HttpConnection>::Place time_ = lane_.times.add(this);
};

}  // namespace assay::serve
