#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/time.h"

namespace assay {

/// Lets one thread wait until another one has something for it.
///
/// Threads thread-safe.
class Wakeup {
 public:
  /// Wake who waits, or the next one who does.
  void notify() {
    const std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  /// Wait until it was notified since the last wait, at most so long.
  void wait(Duration at_most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::microseconds(at_most.micros), [this] { return is_set_; });
    is_set_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

}  // namespace assay
