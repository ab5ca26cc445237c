#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http2_session.h"
#include "serve/http_server.h"

namespace assay::serve {

/// One request over HTTP/2 and its answer, as they come and go.
///
/// Threads one thread at a time.
class Http2Stream : public TimedStream {
 public:
  Http2Stream(ConnectionTimes<TimedStream>& times, int32_t number) : id(number), times_(times) {
    time_ = times_.add(this);
    begin_time(kReadTime);
  }
  ~Http2Stream() override { times_.remove(time_); }
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  void begin_time(TimeKind kind) { times_.begin(kind, &time_); }
  /// A header, or what is none, of the request. What is beyond the limit is counted, not kept.
  void take_header(std::string_view name, std::string_view value, const HttpOptions& limits);
  /// Why a request with these headers is refused, as over HTTP/1.1.
  [[nodiscard]] std::optional<Response> refusal(const HttpOptions& limits) const;

  const int32_t id;
  Request request;
  std::size_t header_bytes = 0;  // of it, as RFC 9113, section 6.5.2 counts
  std::size_t held = 0;          // bytes of the request, then of the answer
  std::string body;              // of the answer
  std::size_t sent = 0;          // of it
  std::size_t seen_sent = 0;     // of all answers, when its time began again
  std::size_t discarded = 0;     // bytes of a body that is refused
  bool head_only = false;
  bool is_whole = false;       // the request
  bool is_answered = false;    // by the handler, or because it is refused, or late
  bool is_sent = false;        // the answer
  bool is_taken_back = false;  // the request, by the client

 private:
  ConnectionTimes<TimedStream>& times_;
};

}  // namespace assay::serve
