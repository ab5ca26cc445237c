#pragma once

#include <memory>
#include <string>

#include "base/world.h"

namespace assay::store {

/// A folder of this process for files that are on their way to a store: what a library is writing,
/// and no more. What a process that ended early left there is removed by the next one.
///
/// Threads thread-safe.
class Spool {
 public:
  /// A folder of its own below `folder`, which is made when missing.
  static Result<std::unique_ptr<Spool>> open(World& world, const std::string& folder);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  [[nodiscard]] std::string path(const std::string& key) const { return own_ + "/" + key; }
  /// Fine when there is no such file.
  Status remove(const std::string& key);

 private:
  Spool(World& world, std::string own, std::unique_ptr<FileLock> lock)
      : world_(world), own_(std::move(own)), lock_(std::move(lock)) {}

  World& world_;
  std::string own_;
  std::unique_ptr<FileLock> lock_;
};

}  // namespace assay::store
