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

/// Requests that may wait for a disk or another program, or compute for long, as slow work; those
/// that write and those that compute apart from the others, so that none is in the others' way.
///
/// Threads thread-safe.
class SlowRequests {
 public:
  /// `handler` must outlive this object. `relay` takes them instead, if there is one. Of `options`
  /// is_write, is_large and the limits, which hold for each of the three. `threads`: that large
  /// ones have.
  SlowRequests(World& world,
               const Handler& handler,
               const HttpOptions& options,
               int threads,
               Relay relay = {})
      : world_(world),
        handler_(handler),
        relay_(std::move(relay)),
        is_slow_(options.is_slow),
        is_write_(options.is_write),
        is_large_(options.is_large),
        work_(world, options.slow) {
    if (is_write_) {
      writes_.emplace(world, options.slow);
    }
    if (is_large_) {
      SlowLimits limits = options.slow;
      limits.threads = threads;
      large_.emplace(world, limits);
    }
  }

  /// The answer of a request that need not be taken; nothing of one that does, and is left as it
  /// is.
  std::optional<Response> answer_now(Request& request);

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
  SlowWork& work_for(const Request& request);

  const std::function<bool(const Request&)> is_slow_;
  const std::function<bool(const Request&)> is_write_;
  const std::function<bool(const Request&)> is_large_;
  SlowWork work_;
  std::optional<SlowWork> writes_;
  std::optional<SlowWork> large_;
};

/// 503 with Retry-After: the same may be asked again soon.
Response busy_answer(std::string_view why);
/// The same instead of an answer for which there is no room; 413 when there never is.
Response no_room_answer(std::size_t bytes, std::size_t bytes_max);

}  // namespace assay::serve
