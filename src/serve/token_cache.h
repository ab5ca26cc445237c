#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/time.h"

namespace assay::serve {

struct Caller;

/// What a token said whose signature was verified.
struct KnownToken {
  std::shared_ptr<const Caller> caller;
  double begins = 0;   // seconds since the epoch
  double expires = 0;  // the same; from then on it is none

  [[nodiscard]] bool holds_at(EventTime now) const {
    constexpr int64_t kClockSkew =
        60 * kMicrosPerSecond;  // two machines' clocks may differ so much
    const auto seconds = [](int64_t micros) { return static_cast<double>(micros) * 1e-6; };
    return expires + seconds(kClockSkew) > seconds(now.micros) &&
           begins <= seconds(now.micros + kClockSkew);
  }
};

/// Tokens whose signature was verified, by the SHA-256 of all of their bytes: to verify one takes
/// tens of microseconds, and its caller shows it with each request.
///
/// Threads thread-safe.
/// Cost    one look-up; those that were shown last are kept, half of `tokens_max` at least.
class TokenCache {
 public:
  static constexpr std::size_t kTokensMax = 10'000;
  explicit TokenCache(std::size_t tokens_max = kTokensMax) : young_max_(tokens_max / 2) {}

  std::optional<KnownToken> find(const std::string& hash) {
    const std::lock_guard lock(mutex_);
    if (const auto young = young_.find(hash); young != young_.end()) {
      return young->second;
    }
    const auto old = old_.find(hash);
    if (old == old_.end()) {
      return std::nullopt;
    }
    KnownToken token = std::move(old->second);
    old_.erase(old);
    put(hash, token);
    return token;
  }
  void add(const std::string& hash, KnownToken token) {
    const std::lock_guard lock(mutex_);
    put(hash, std::move(token));
  }
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return young_.size() + old_.size();
  }

 private:
  /// Under the lock. When the young ones are too many they are the old ones, and those are gone.
  void put(const std::string& hash, KnownToken token) {
    if (young_.size() >= young_max_) {
      old_ = std::exchange(young_, {});
    }
    young_.insert_or_assign(hash, std::move(token));
  }

  const std::size_t young_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, KnownToken> young_;
  std::unordered_map<std::string, KnownToken> old_;
};

}  // namespace assay::serve
