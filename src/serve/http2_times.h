#pragma once

#include <cstdint>
#include <utility>

#include "serve/http2_session.h"
#include "serve/http_connection.h"

namespace assay::serve {

/// What the times of a connection of HTTP/2 run for, besides those of its streams: output that the
/// socket does not take, or the next request; and apart from that each frame, from its first byte
/// to its last. Bytes that come slowly win no time.
///
/// Threads one thread at a time.
class Http2Times {
 public:
  /// `connection` has been begun.
  Http2Times(ConnectionTimes<TimedStream>& times, HttpConnection& connection)
      : frame_(times, connection) {}

  /// What is so now; `begin(kind)` begins the connection's own time, when it runs for something
  /// else than before.
  template <typename Begin>
  void keep(const Http2Session& session, bool is_writing, const Begin& begin) {
    frame_.keep(session.is_midway() ? session.frames() : FrameTime::kNone);
    const WaitsFor waits_for = is_writing              ? WaitsFor::kOutput
                               : session.has_streams() ? WaitsFor::kStreams
                                                       : WaitsFor::kRequest;
    if (waits_for != waits_for_) {
      waits_for_ = waits_for;
      begin(waits_for == WaitsFor::kOutput    ? kReadTime
            : waits_for == WaitsFor::kStreams ? kNoTime
                                              : kIdleTime);
    }
  }
  /// The connection waits for nothing more.
  void end() { frame_.keep(FrameTime::kNone); }
  /// Whether it waits for a request, and nobody has been told that it waits no longer. Once.
  bool may_be_told() {
    return waits_for_ == WaitsFor::kRequest && !std::exchange(is_told_, true);
  }

 private:
  enum class WaitsFor { kPreface, kOutput, kStreams, kRequest };

  class FrameTime final : public TimedStream {
   public:
    static constexpr int64_t kNone = -1;

    FrameTime(ConnectionTimes<TimedStream>& times, HttpConnection& connection)
        : times_(times), connection_(connection) {
      time_ = times_.add(this);
    }
    ~FrameTime() override { times_.remove(time_); }
    FrameTime(const FrameTime&) = delete;
    FrameTime& operator=(const FrameTime&) = delete;

    /// So many frames have begun and the last is not whole, or kNone.
    void keep(int64_t frame) {
      if (frame != number_) {
        number_ = frame;
        times_.begin(frame == kNone ? kNoTime : kReadTime, &time_);
      }
    }
    void end_late() override {
      times_.begin(kNoTime, &time_);
      connection_.close();
    }

   private:
    ConnectionTimes<TimedStream>& times_;
    HttpConnection& connection_;
    int64_t number_ = kNone;
  };

  FrameTime frame_;
  WaitsFor waits_for_ = WaitsFor::kPreface;
  bool is_told_ = false;
};

}  // namespace assay::serve
