#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay::quality {

/// A regular expression in RE2's syntax: linear time, no look-around, no back references.
///
/// Threads immutable.
class Regex {
 public:
  /// Errors  kInvalidArgument: RE2's own message.
  static Result<Regex> compile(const std::string& pattern);

  /// True when the pattern matches the whole text.
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace assay::quality
