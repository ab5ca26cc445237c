#include "base/log.h"

#include <cstdio>

#include "base/json_writer.h"

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

class StderrLog : public Log {
 public:
  StderrLog(Clock& clock, LogLevel level) : clock_(clock), level_(level) {}

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
    std::fwrite(
        line.data(), 1, line.size(), stderr);  // one call a line: lines of threads do not mix
  }

 private:
  Clock& clock_;
  LogLevel level_;
};

class NullLog : public Log {
 public:
  void write(LogLevel /*level*/,
             std::string_view /*event*/,
             std::initializer_list<LogField> /*fields*/) override {}
};

}  // namespace

std::unique_ptr<Log> stderr_log(Clock& clock, LogLevel level) {
  return std::make_unique<StderrLog>(clock, level);
}
std::unique_ptr<Log> null_log() {
  return std::make_unique<NullLog>();
}

}  // namespace assay
