#pragma once

#include <atomic>
#include <cstddef>

namespace assay::serve {

/// Bytes that the connections of a server may hold together.
///
/// Threads thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t bytes_max) : max_(bytes_max) {}

  [[nodiscard]] std::size_t max() const { return max_; }
  /// False: there are not so many left, and nothing is taken.
  bool take(std::size_t bytes) {
    if (taken_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= max_) {
      return true;
    }
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) { taken_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const std::size_t max_;
  std::atomic<std::size_t> taken_{0};
};

/// What one connection holds of a budget. Little is not counted: a number that all threads share
/// would go from core to core with each request. How little, times the connections, is what may be
/// held beside the budget.
///
/// Threads one thread at a time.
class HeldBytes {
 public:
  static constexpr std::size_t kUncountedMax = 64 << 10;

  /// `budget` must outlive this object.
  explicit HeldBytes(ByteBudget& budget, std::size_t uncounted_max = kUncountedMax)
      : budget_(budget), uncounted_max_(uncounted_max) {}
  ~HeldBytes() { release(); }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

  /// From now on it holds so many, instead of those before. False: there is no room for them, and
  /// it holds what it held.
  bool hold(std::size_t bytes) {
    const std::size_t counted = bytes <= uncounted_max_ ? 0 : bytes;
    if (counted > counted_ && !budget_.take(counted - counted_)) {
      return false;
    }
    if (counted < counted_) {
      budget_.give_back(counted_ - counted);
    }
    counted_ = counted;
    return true;
  }
  void release() { hold(0); }

 private:
  ByteBudget& budget_;
  const std::size_t uncounted_max_;
  std::size_t counted_ = 0;
};

}  // namespace assay::serve
