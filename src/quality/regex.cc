#include "quality/regex.h"

#include <re2/re2.h>

namespace assay::quality {

struct Regex::State {
  State(const std::string& pattern, const re2::RE2::Options& options)
      : expression(pattern, options) {}
  re2::RE2 expression;
};

Result<Regex> Regex::compile(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto state = std::make_shared<State>(pattern, options);
  if (!state->expression.ok()) {
    return Status(Code::kInvalidArgument,
                  "not a regular expression (" + state->expression.error() + "): " + pattern);
  }
  Regex regex;
  regex.state_ = std::move(state);
  return regex;
}

bool Regex::matches(std::string_view text) const {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), state_->expression);
}

}  // namespace assay::quality
