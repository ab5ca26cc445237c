#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/status.h"

namespace assay::serve {

/// What a question asks for and what still is answered on a server's thread, which others wait for:
/// about ten milliseconds of work.
inline constexpr int64_t kLargeCells = 10'000;     // values, more are a large question
inline constexpr int64_t kLargeScoredRows = 1000;  // the same of predictions, whose rows are dearer
inline constexpr std::size_t kLargeBodyBytes = 64
                                               << 10;  // and so is a longer one, whatever it asks

/// How much time there is for a question.
struct Pace {
  bool is_hurried = false;            // others wait: a large one is not begun
  std::function<Status()> goes_on{};  // asked while it is computed; a failure ends it; may be empty

  [[nodiscard]] Status check() const { return goes_on ? goes_on() : Status(); }
};

/// Asks whether to go on with each 64th row.
class LookByRows {
 public:
  /// Which must outlive it.
  explicit LookByRows(const std::function<Status()>& goes_on) : goes_on_(goes_on) {}
  Status look() { return goes_on_ && rows_++ % kEvery == 0 ? goes_on_() : Status(); }

 private:
  static constexpr uint32_t kEvery = 64;
  const std::function<Status()>& goes_on_;
  uint32_t rows_ = 0;
};

}  // namespace assay::serve
