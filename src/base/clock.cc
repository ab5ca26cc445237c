#include "base/clock.h"

#include <chrono>
#include <optional>

#include "base/process.h"

namespace assay {
namespace {

class SystemClock : public Clock {
 public:
  explicit SystemClock(std::optional<EventTime> stands_at) : stands_at_(stands_at) {}
  EventTime now() override {
    if (stands_at_.has_value()) {
      return *stands_at_;
    }
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
  }
  Duration monotonic() override {
    const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::microseconds>(since_start).count()};
  }

 private:
  std::optional<EventTime> stands_at_;
};

}  // namespace

std::unique_ptr<Clock> system_clock() {
  std::optional<EventTime> stands_at;
  EventTime parsed;
  if (try_parse_time(environment_variable("ASSAY_NOW").value_or(""), &parsed)) {
    stands_at = parsed;
  }
  return std::make_unique<SystemClock>(stands_at);
}

}  // namespace assay
