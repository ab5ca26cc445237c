#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace assay::serve {

/// Answers to what was ready together, until they are sent together: few of them, and not for long.
///
/// Threads one thread at a time.
template <typename Answer>
class UnsentAnswers {
 public:
  explicit UnsentAnswers(Clock& clock) : clock_(clock) {}

  /// A request is to be answered now: the instant, by the clock's monotonic(). It is read once
  /// between two requests that are answered behind each other.
  Duration begin() {
    const Duration now = looked_.has_value() ? *looked_ : clock_.monotonic();
    looked_.reset();
    if (waiting_.empty()) {
      since_ = now.micros;
    }
    return now;
  }
  void add(Answer answer) { waiting_.push_back(std::move(answer)); }
  [[nodiscard]] bool empty() const { return waiting_.empty() && next_ == sending_.size(); }
  /// Whether they are not to wait for another one, though more is ready: they are many, or it took
  /// long to answer them.
  [[nodiscard]] bool are_due() {
    looked_ = clock_.monotonic();
    return waiting_.size() >= kCountMax || looked_->micros - since_ >= kMicrosMax;
  }
  /// Hand all of them to `send`, each once. What it adds waits for the next time, and so do those
  /// behind one at which it throws.
  template <typename Send>
  void send_all(const Send& send) {
    looked_.reset();
    if (next_ == sending_.size()) {
      next_ = 0;
      sending_.clear();
      sending_.swap(waiting_);
    }
    while (next_ < sending_.size()) {
      const Answer answer = std::move(sending_[next_++]);
      send(answer);
    }
  }

 private:
  static constexpr std::size_t kCountMax = 16;
  static constexpr int64_t kMicrosMax = 100;

  Clock& clock_;
  int64_t since_ = 0;                 // when the first that waits was begun
  std::optional<Duration> looked_{};  // when are_due() was asked, unless something was done since
  std::vector<Answer> waiting_;
  std::vector<Answer> sending_;
  std::size_t next_ = 0;  // of them
};

}  // namespace assay::serve
