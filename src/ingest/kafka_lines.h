#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace assay::ingest {

/// Lines of librdkafka in our log: of each kind the first one, and then at most one a minute, which
/// says how many were like it since.
///
/// Lines are of one kind when they differ in numbers, in the thread that says them, or in what
/// stands in parentheses.
/// Threads thread-safe.
class KafkaLines {
 public:
  KafkaLines(Log& log, std::unique_ptr<Clock> clock) : log_(log), clock_(std::move(clock)) {}
  void warn(std::string_view facility, std::string_view text);
  void debug(std::string_view facility, std::string_view text);

 private:
  struct Kind {
    Duration said_at;
    int64_t held_back = 0;
  };
  Log& log_;
  std::unique_ptr<Clock> clock_;
  std::mutex mutex_;
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace assay::ingest
