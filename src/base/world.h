#pragma once

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"

namespace assay {

/// What the program may touch outside its own memory, handed down by constructor.
///
/// The program makes one from the system (`cli/main.cc`); tests make one of fakes.
struct World {
  Clock& clock;
  FileSystem& files;
  Random& random;
  Log& log;
  Metrics& metrics;
};

/// Owns a World of the system's clock, disks and randomness.
class SystemWorld {
 public:
  explicit SystemWorld(LogLevel level = LogLevel::kWarn);
  World& world() { return world_; }

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Log> log_;
  Metrics metrics_;
  World world_;
};

}  // namespace assay
