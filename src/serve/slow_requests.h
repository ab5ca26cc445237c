#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/world.h"
#include "serve/http_server.h"

namespace assay::serve {

/// Answers requests that may wait for a disk or another program, on threads of its own: those that
/// are answered from memory never stand behind them. What waits is bounded in number, bytes and
/// time.
///
/// Threads thread-safe.
class SlowRequests {
 public:
  using Done = std::function<void(Response)>;

  /// `handler` must outlive this object.
  SlowRequests(World& world, const Handler& handler, SlowLimits limits);
  ~SlowRequests() { stop(); }
  SlowRequests(const SlowRequests&) = delete;
  SlowRequests& operator=(const SlowRequests&) = delete;

  /// Queue a request. `done` is called once, on one of the threads: with the answer, or 503 when
  /// its turn does not come in time. When there is no room, or the server stops, nothing is called:
  /// the answer comes back, 429 or 503.
  std::optional<Response> take(Request request, Done done);
  /// Answer what waits with 503, give what is under way its time and interrupt it then, end the
  /// threads.
  void stop();

 private:
  struct Waiting {
    Request request;
    Done done;
    Duration since;  // monotonic
  };
  void run();
  void refuse_late();
  Waiting take_first();

  World& world_;
  const Handler& handler_;
  const SlowLimits limits_;
  Counter& refused_;
  Counter& late_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable rested_;  // nothing is under way any more
  std::deque<Waiting> waiting_;
  std::size_t bytes_ = 0;  // of bodies that wait
  int under_way_ = 0;
  bool stopping_ = false;
  std::mutex stop_mutex_;
  std::vector<std::jthread> threads_;
};

/// The handler's answer; 500 when a library throws in it, which is logged.
Response answer_safely(World& world, const Handler& handler, const Request& request);
/// 503 with Retry-After: the same may be asked again soon.
Response busy_answer(std::string_view why);

}  // namespace assay::serve
