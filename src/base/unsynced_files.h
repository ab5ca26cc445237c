#pragma once

#include <memory>

#include "base/file_system.h"
#include "base/world.h"

// For tests, which cannot see the difference.

namespace assay {

/// The machine's disks, of which nobody waits until what is written is safe: it outlives the
/// process, not a power cut.
std::unique_ptr<FileSystem> unsynced_files();

/// The system's clock and randomness, and such disks.
class UnsyncedWorld {
 public:
  explicit UnsyncedWorld(LogLevel level = LogLevel::kWarn)
      : system_(level),
        world_{system_.world().clock,
               *files_,
               system_.world().random,
               system_.world().log,
               system_.world().metrics} {}
  World& world() { return world_; }

 private:
  SystemWorld system_;
  std::unique_ptr<FileSystem> files_ = unsynced_files();
  World world_;
};

}  // namespace assay
