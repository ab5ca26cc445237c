#pragma once

#include <memory>
#include <mutex>

#include "base/clock.h"
#include "serve/access.h"

namespace assay::serve {

/// Who may ask a server by now.
///
/// Threads thread-safe.
class Gate {
 public:
  explicit Gate(Clock& clock) : clock_(clock) {}

  /// From now on only callers that `access` knows are let in, and within what they may; nullptr, as
  /// in the beginning: everybody, everything.
  void protect(std::shared_ptr<const Access> access) {
    const std::lock_guard lock(mutex_);
    access_ = std::move(access);
  }
  /// Who sends these credentials, as Access::caller.
  Result<std::shared_ptr<const Caller>> who(const Credentials& credentials) {
    static const auto kEverybody = std::make_shared<const Caller>(Caller{"", {"*"}});
    std::shared_ptr<const Access> access;
    {
      const std::lock_guard lock(mutex_);
      access = access_;
    }
    if (access == nullptr) {
      return kEverybody;
    }
    return access->caller(credentials, clock_.now());
  }

 private:
  Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<const Access> access_;
};

}  // namespace assay::serve
