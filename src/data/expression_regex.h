#pragma once

#include <string_view>

#include "data/expression_program.h"

namespace assay::data {

/// A regular expression in RE2's syntax; matching takes time linear in the text.
///
/// Threads immutable; matches may run on many threads at once.
class RegexState : public StepState {
 public:
  /// Errors  kInvalidArgument: not a regular expression, or one that needs more than 8 MiB.
  static Result<StepStatePtr> compile(const std::string& pattern);
  /// True when the pattern occurs anywhere in `text`.
  [[nodiscard]] virtual bool matches(std::string_view text) const = 0;
};

}  // namespace assay::data
