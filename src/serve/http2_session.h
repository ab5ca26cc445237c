#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "serve/connection_times.h"
#include "serve/held_bytes.h"
#include "serve/http_head.h"
#include "serve/http_server.h"
#include "serve/server_counters.h"

namespace assay::serve {

/// A request over HTTP/2 as ConnectionTimes knows it: its time runs until it is whole, and again
/// until its answer is taken.
class TimedStream {
 public:
  virtual ~TimedStream() = default;
  /// Its time is over.
  virtual void end_late() = 0;
  [[nodiscard]] const ConnectionTimes<TimedStream>::Place& time() const { return time_; }

 protected:
  ConnectionTimes<TimedStream>::Place time_;
};

/// The server's side of HTTP/2 on one connection: bytes of the client in and out, requests out and
/// answers in. It holds no socket.
///
/// Of a request it refuses by itself what HTTP/1.1 does (413, 415, 431, 503), and the connection
/// goes on. A request that is not whole in time, or whose answer is not taken, is reset. A client
/// that breaks the protocol, or sends too many frames that ask nothing, is told GOAWAY.
///
/// Threads one thread at a time.
class Http2Session {
 public:
  /// What all sessions of a thread share, which must outlive them.
  struct Parts {
    const HttpOptions& options;
    ByteBudget& budget;
    Clock& clock;
    ServerCounters& counters;
    HeadDate& date;
    ConnectionTimes<TimedStream>& times;
  };
  /// A request that is whole.
  struct Asked {
    int32_t stream = 0;
    bool head_only = false;
    Request request;
  };

  /// `wants_to_send` is called when a request's time made output that nobody asked for.
  static std::unique_ptr<Http2Session> make(const Parts& parts,
                                            std::function<void()> wants_to_send);
  virtual ~Http2Session() = default;

  /// Take the next bytes of the client, the preface first.
  virtual void receive(std::string_view bytes) = 0;
  /// The next request, as they were whole one after the other.
  virtual std::optional<Asked> next() = 0;
  /// Answer a request, in any order. Nothing happens when the client has reset it meanwhile.
  virtual void answer(int32_t stream, Response response) = 0;
  /// Append what is to be sent by now, until there are `bytes_max` or a little more.
  virtual void append_output(std::size_t bytes_max, std::string* out) = 0;
  /// Take no more requests, once the client knows it: those that were sent before are answered.
  /// `at_once`: those that are here. In any order, and again.
  virtual void drain(bool at_once) = 0;

  /// Give everything up that is held: the connection is gone. Nothing happens any more.
  virtual void abandon() = 0;

  /// Requests are under way.
  [[nodiscard]] virtual bool has_streams() const = 0;
  /// A frame has begun and is not whole, or more frames must follow at once.
  [[nodiscard]] virtual bool is_midway() const = 0;
  /// How many frames have begun.
  [[nodiscard]] virtual int64_t frames() const = 0;
  /// Nothing more is to come nor to go.
  [[nodiscard]] virtual bool is_over() const = 0;
};

}  // namespace assay::serve
