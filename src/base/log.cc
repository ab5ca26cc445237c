#include "base/log.h"

#include <cstdio>
#include <utility>

#include "base/json_writer.h"
#include "base/line_log.h"

namespace assay {
namespace {

constexpr std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

class LineLog : public Log {
 public:
  LineLog(Clock& clock, LogLevel level, std::function<void(const std::string&)> write)
      : clock_(clock), level_(level), write_(std::move(write)) {}

  void write(LogLevel level,
             std::string_view event,
             std::initializer_list<LogField> fields) override {
    if (level < level_) {
      return;
    }
    std::string line;
    JsonWriter json(line);
    json.begin_object();
    json.key("time");
    json.string(format_time(clock_.now()));
    json.key("level");
    json.string(level_name(level));
    json.key("event");
    json.string(event);
    for (const LogField& field : fields) {
      json.key(field.name);
      if (const auto* integer = std::get_if<int64_t>(&field.value)) {
        json.integer(*integer);
      } else if (const auto* number = std::get_if<double>(&field.value)) {
        json.number(*number);
      } else if (const auto* boolean = std::get_if<bool>(&field.value)) {
        json.boolean(*boolean);
      } else {
        json.string(std::get<std::string>(field.value));
      }
    }
    json.end_object();
    line += '\n';
    write_(line);
  }

 private:
  Clock& clock_;
  LogLevel level_;
  std::function<void(const std::string&)> write_;
};

class NullLog : public Log {
 public:
  void write(LogLevel /*level*/,
             std::string_view /*event*/,
             std::initializer_list<LogField> /*fields*/) override {}
};

}  // namespace

std::unique_ptr<Log> line_log(Clock& clock,
                              LogLevel level,
                              std::function<void(const std::string&)> write) {
  return std::make_unique<LineLog>(clock, level, std::move(write));
}

std::unique_ptr<Log> stderr_log(Clock& clock, LogLevel level) {
  return line_log(clock, level, [](const std::string& line) {
    // One call a line: lines of threads do not mix.
    std::fwrite(line.data(), 1, line.size(), stderr);
  });
}

std::unique_ptr<Log> null_log() {
  return std::make_unique<NullLog>();
}

}  // namespace assay
