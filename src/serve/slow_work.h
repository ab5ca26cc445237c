#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/world.h"

namespace assay::serve {

/// Bounds of questions that are answered off a server's threads.
struct SlowLimits {
  int threads = 1;
  int requests_max = 64;                      // waiting and under way
  std::size_t bytes_max = 32 << 20;           // of what waits
  Duration wait_max{10 * kMicrosPerSecond};   // until its turn comes
  Duration run_max{60 * kMicrosPerSecond};    // then it goes on no more, when it asks
  Duration finish_max{3 * kMicrosPerSecond};  // for those under way when the server stops; then
  std::function<void()> interrupt{};          // asks them to end, from another thread; may be empty
};

/// Does what may wait for a disk or another program, on threads of its own: what is answered from
/// memory never stands behind it. What waits is bounded in number, bytes and time.
///
/// Threads thread-safe.
class SlowWork {
 public:
  /// One of the two is called, once, on one of the threads.
  struct Piece {
    std::size_t bytes = 0;  // that it holds while it waits
    std::function<void()> run;
    std::function<void(const Status&)> refuse;  // kUnavailable: its turn did not come
  };

  SlowWork(World& world, SlowLimits limits);
  ~SlowWork() { stop(); }
  SlowWork(const SlowWork&) = delete;
  SlowWork& operator=(const SlowWork&) = delete;

  /// Queue a piece. When it is not taken, nothing of it is called.
  ///
  /// Errors  kResourceExhausted: there is no room; kUnavailable: all is being stopped.
  Status take(Piece piece);
  /// Says, whenever it is called, whether a piece that begins now shall go on. This object must
  /// outlive it.
  ///
  /// Errors  kUnavailable: the server stops, and has waited for it; or it took longer than run_max.
  [[nodiscard]] std::function<Status()> begin_watch() const;
  /// Refuse what waits, give what is under way its time and interrupt it then, end the threads.
  void stop();

 private:
  struct Waiting {
    Piece piece;
    Duration since;  // monotonic
  };
  void run();
  void refuse_late();
  Waiting take_first();

  World& world_;
  const SlowLimits limits_;
  Counter& refused_;
  Counter& late_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable rested_;  // nothing is under way any more
  std::deque<Waiting> waiting_;
  std::size_t bytes_ = 0;  // of what waits
  int under_way_ = 0;
  bool stopping_ = false;
  std::atomic<bool> is_interrupted_{false};
  std::mutex stop_mutex_;
  std::vector<std::jthread> threads_;
};

}  // namespace assay::serve
