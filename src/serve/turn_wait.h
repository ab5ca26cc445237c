#pragma once

#include <algorithm>

#include "base/clock.h"

namespace assay::serve {

/// How long what arrives now waits for its turn on a thread that takes one thing after the other.
///
/// Now and then a mark is made to stand behind all that is ready already, and timed until its own
/// turn. While it takes long another follows at once, so that the measure falls as soon as the wait
/// does. Who queues marks calls sent() and returned().
///
/// Threads one thread at a time.
class TurnWait {
 public:
  explicit TurnWait(Clock& clock) : clock_(clock) {}

  /// By the newest mark, or longer when one is out for longer.
  [[nodiscard]] Duration now() const { return at(clock_.monotonic()); }
  /// The same for who knows the instant, by the clock's monotonic().
  [[nodiscard]] Duration at(Duration instant) const {
    return {is_out_ ? std::max(waited_, instant.micros - sent_) : waited_};
  }
  /// Whether a mark is to be sent, since something was done; it counts as sent then.
  bool due() { return due_at(clock_.monotonic()); }
  bool due_at(Duration instant) {
    if (is_out_ || instant.micros - sent_ < kMarkEvery) {
      return false;
    }
    send(instant.micros);
    return true;
  }
  /// The mark's turn has come. Whether the next one is to be sent at once; it counts as sent then.
  bool returned() {
    const int64_t now = clock_.monotonic().micros;
    waited_ = now - sent_;
    is_out_ = false;
    if (waited_ < kMarkEvery) {
      return false;
    }
    send(now);
    return true;
  }

 private:
  static constexpr int64_t kMarkEvery = 1000;  // microseconds; shorter waits are none

  void send(int64_t now) {
    sent_ = now;
    is_out_ = true;
  }

  Clock& clock_;
  int64_t sent_ = 0;
  int64_t waited_ = 0;
  bool is_out_ = false;
};

}  // namespace assay::serve
