#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

#include "base/world.h"
#include "serve/http_server.h"
#include "serve/relaying.h"
#include "serve/slow_work.h"

namespace assay::serve {

/// Requests that may wait for a disk or another program, as slow work; those that write apart from
/// the others, so that a long question is in nobody's way.
///
/// Threads thread-safe.
class SlowRequests {
 public:
  /// `handler` must outlive this object. `relay` takes them instead, if there is one. Of `options`
  /// is_write and the limits, which hold for each of the two.
  SlowRequests(World& world, const Handler& handler, const HttpOptions& options, Relay relay = {})
      : world_(world),
        handler_(handler),
        relay_(std::move(relay)),
        is_write_(options.is_write),
        work_(world, options.slow) {
    if (is_write_) {
      writes_.emplace(world, options.slow);
    }
  }

  /// Queue a request. `done` is called once, on one of the threads: with the answer, or 503 when
  /// its turn does not come in time. When there is no room, or the server stops, nothing is called:
  /// the answer comes back, 429 or 503.
  std::optional<Response> take(Request request, Answered done);
  /// Answer what waits with 503, give what is under way its time and interrupt it then, end the
  /// threads.
  void stop();

 private:
  World& world_;
  const Handler& handler_;
  const Relay relay_;
  const std::function<bool(const Request&)> is_write_;
  SlowWork work_;
  std::optional<SlowWork> writes_;
};

/// The handler's answer; 500 when a library throws in it, which is logged.
Response answer_safely(World& world, const Handler& handler, const Request& request);
/// 503 with Retry-After: the same may be asked again soon.
Response busy_answer(std::string_view why);
/// The same instead of an answer for which there is no room; 413 when there never is.
Response no_room_answer(std::size_t bytes, std::size_t bytes_max);

}  // namespace assay::serve
