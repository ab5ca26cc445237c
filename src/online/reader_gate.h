#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <thread>

namespace assay::online {

/// Lets any number of threads in for a short while each, cheaply, and now and then somebody alone.
///
/// Threads thread-safe; a thread that is inside must not enter again nor ask to be alone.
class ReaderGate {
 public:
  void enter() {
    for (;;) {
      std::atomic<int64_t>& inside = counters_[stripe()].inside;
      inside.fetch_add(1, std::memory_order_seq_cst);
      if (!closed_.load(std::memory_order_seq_cst)) {
        return;
      }
      inside.fetch_sub(1, std::memory_order_seq_cst);
      const std::lock_guard wait(mutex_);
    }
  }
  /// By the thread that entered. Orders what it reads afterwards behind what it has read inside.
  void leave() { counters_[stripe()].inside.fetch_sub(1, std::memory_order_acq_rel); }

  /// Leaves at its end.
  class Visit {
   public:
    explicit Visit(ReaderGate& entered) : gate_(entered) {}
    ~Visit() { gate_.leave(); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    ReaderGate& gate_;
  };

  /// Run `body` while nobody is inside.
  template <typename Body>
  void alone(const Body& body) {
    const std::lock_guard lock(mutex_);
    closed_.store(true, std::memory_order_seq_cst);
    for (Counter& counter : counters_) {
      while (counter.inside.load(std::memory_order_seq_cst) != 0) {
        std::this_thread::yield();
      }
    }
    body();
    closed_.store(false, std::memory_order_seq_cst);
  }

 private:
  struct alignas(64) Counter {
    std::atomic<int64_t> inside{0};
  };
  static constexpr std::size_t kStripes = 16;

  static std::size_t stripe() {
    static std::atomic<std::size_t> threads{0};
    thread_local const std::size_t mine = threads.fetch_add(1) % kStripes;
    return mine;
  }

  std::array<Counter, kStripes> counters_;
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
};

}  // namespace assay::online
