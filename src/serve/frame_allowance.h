#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace assay::serve {

/// How many frames that ask nothing a client of HTTP/2 may send: pings, settings, priorities,
/// resets, window updates. What it is answered gives some back, and so does time.
///
/// Threads one thread at a time.
class FrameAllowance {
 public:
  static constexpr int64_t kMax = 1'000;
  static constexpr int64_t kPerSecond = 33;
  static constexpr int64_t kPerAnswer = 4;
  static constexpr int64_t kBytesEach = 256;  // of answers

  explicit FrameAllowance(Clock& clock) : clock_(clock), since_(clock.monotonic().micros) {}

  /// False: there is none left. More than that is not remembered.
  bool spend(int64_t frames = 1) {
    if (left_ < frames) {
      refill();
    }
    if (left_ < frames) {
      return false;
    }
    left_ -= frames;
    return true;
  }
  /// One that was spent asked something.
  void take_back() { give_back(1); }
  /// A request was answered.
  void answered() { give_back(kPerAnswer); }
  /// Bytes of an answer were taken.
  void sent(std::size_t bytes) {
    bytes_ += static_cast<int64_t>(bytes);
    give_back(bytes_ / kBytesEach);
    bytes_ %= kBytesEach;
  }

 private:
  void give_back(int64_t frames) { left_ = std::min(kMax, left_ + frames); }
  void refill() {
    const int64_t frames = (clock_.monotonic().micros - since_) * kPerSecond / kMicrosPerSecond;
    since_ += frames * kMicrosPerSecond / kPerSecond;
    give_back(frames);
  }

  Clock& clock_;
  int64_t since_;  // when time gave some back last
  int64_t left_ = kMax;
  int64_t bytes_ = 0;
};

}  // namespace assay::serve
