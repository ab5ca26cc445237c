#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/resource.h>

#include "base/check.h"
#include "base/status.h"
#include "base/world.h"

// What our sides of the comparisons with other engines share: failures that end the program, times
// as the others print them, files of lines.

namespace assay::bench {

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().to_string().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

inline void must(const Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.to_string().c_str());
    std::exit(1);
  }
}

/// What this process has computed.
inline double processor_seconds() {
  rusage usage{};
  ASSAY_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Prints `seconds S processor P`.
inline void timed(World& world, const std::function<void()>& work) {
  const Duration began = world.clock.monotonic();
  const double processor = processor_seconds();
  work();
  const double took = static_cast<double>(world.clock.monotonic().micros - began.micros) / 1e6;
  std::printf("seconds %.3f processor %.3f\n", took, processor_seconds() - processor);
  std::fflush(stdout);
}

/// Appends to a file in blocks.
class LineFile {
 public:
  explicit LineFile(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
    ASSAY_CHECK(file_ != nullptr);
  }
  ~LineFile() {
    write();
    ASSAY_CHECK(std::fclose(file_) == 0);
  }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  void add(std::string_view line) {
    text_ += line;
    if (text_.size() > (1U << 20)) {
      write();
    }
  }

 private:
  void write() {
    ASSAY_CHECK(std::fwrite(text_.data(), 1, text_.size(), file_) == text_.size());
    text_.clear();
  }
  std::FILE* file_;
  std::string text_;
};

}  // namespace assay::bench
