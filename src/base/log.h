#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"

namespace assay {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// One field of a log line. Entity keys are hashed by the caller; payloads are never logged.
struct LogField {
  std::string_view name;
  std::variant<int64_t, double, bool, std::string> value;
};

/// Event name and fields, one JSON object a line, to stderr in the program.
///
/// error: someone must act; warn: degraded; info: state changed; debug: off by default.
/// Threads thread-safe.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level,
                     std::string_view event,
                     std::initializer_list<LogField> fields) = 0;
  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kDebug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kInfo, event, fields);
  }
  void warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kWarn, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kError, event, fields);
  }
};

/// Lines at `level` and above to stderr.
std::unique_ptr<Log> stderr_log(Clock& clock, LogLevel level);
/// Nothing at all.
std::unique_ptr<Log> null_log();

}  // namespace assay
