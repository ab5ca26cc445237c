#pragma once

#include <atomic>
#include <memory>

#include "base/time.h"

namespace assay {

/// The only place that reads a clock.
///
/// Threads thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall time, UTC.
  virtual EventTime now() = 0;
  /// Time that never goes back, for measuring; its zero means nothing.
  virtual Duration monotonic() = 0;
};

/// The machine's clock. With ASSAY_NOW=2026-01-01T00:00:00Z in the environment its wall time stands
/// there: for tests that compare what two runs wrote.
std::unique_ptr<Clock> system_clock();

/// A clock that stands still until it is moved.
class FakeClock : public Clock {
 public:
  explicit FakeClock(EventTime start) : micros_(start.micros) {}
  EventTime now() override { return {micros_.load()}; }
  Duration monotonic() override { return {micros_.load()}; }
  void advance(Duration by) { micros_ += by.micros; }

 private:
  std::atomic<int64_t> micros_;
};

}  // namespace assay
