#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "base/time.h"

namespace assay::flow {

/// How often gold is made behind a stream. A gold commit computes again from the frontier on, of rows
/// as far back as the longest window, however few are new: after one that took long the next one
/// waits, so that gold takes a quarter of the lake's time at most and bronze and silver the rest.
///
/// Threads one thread at a time.
/// Source  docs/decisions/0209-gold-has-a-pace.md
class GoldPace {
 public:
  /// After less than `unnoticed` nobody waits.
  explicit GoldPace(Duration unnoticed) : unnoticed_(unnoticed) {}
  /// Whether it is the view's turn; if not, it is owed one.
  bool takes(const std::string& view, Duration now) {
    View& seen = views_[view];
    seen.is_owed = now < seen.next;
    return !seen.is_owed;
  }
  /// A view's gold was made.
  void note(const std::string& view, Duration began, Duration ended) {
    const int64_t took = ended.micros - began.micros;
    views_[view] = {took < unnoticed_.micros ? ended : Duration{ended.micros + kPause * took}, false};
  }
  /// Whether a view that had to wait could be made now.
  [[nodiscard]] bool owes(Duration now) const {
    return std::any_of(views_.begin(), views_.end(), [&](const auto& view) {
      return view.second.is_owed && now >= view.second.next;
    });
  }

 private:
  static constexpr int64_t kPause = 3;  // times what it took

  struct View {
    Duration next = Duration{0};
    bool is_owed = false;
  };
  Duration unnoticed_;
  std::map<std::string, View> views_;
};

}  // namespace assay::flow
