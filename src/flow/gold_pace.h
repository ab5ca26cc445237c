#pragma once

#include "base/time.h"

namespace assay::flow {

/// How often gold is made behind a stream. A gold commit computes again from the frontier on, of
/// rows as far back as the longest window, however few are new: after one that took long the next
/// one waits, so that gold takes a quarter of the lake's time at most, bronze and silver the rest.
///
/// Threads one thread at a time.
/// Source  docs/decisions/0209-gold-has-a-pace.md
class GoldPace {
 public:
  /// After less than `unnoticed` nobody waits.
  explicit GoldPace(Duration unnoticed) : unnoticed_(unnoticed) {}

  /// Whether it is gold's turn; if not, it is owed one.
  bool takes(Duration now) {
    is_owed_ = now < next_;
    return !is_owed_;
  }
  /// Gold of all views was made.
  void note(Duration began, Duration ended) {
    const int64_t took = ended.micros - began.micros;
    next_ = {took < unnoticed_.micros ? ended.micros : ended.micros + kPause * took};
  }
  /// Gold was made without a pace.
  void catch_up() { is_owed_ = false; }
  /// Whether gold was passed over, so that its source may have rows that it has not seen.
  [[nodiscard]] bool is_owed() const { return is_owed_; }
  /// Whether it was, and could be made now.
  [[nodiscard]] bool owes(Duration now) const { return is_owed_ && now >= next_; }

 private:
  static constexpr int64_t kPause = 3;  // times what it took

  Duration unnoticed_;
  Duration next_{0};
  bool is_owed_ = false;
};

}  // namespace assay::flow
