#include "data/expression_regex.h"

#include <re2/re2.h>

// The only file that knows RE2.

namespace assay::data {
namespace {

class Re2State : public RegexState {
 public:
  explicit Re2State(const std::string& pattern) : regex_(pattern, options()) {}

  [[nodiscard]] bool ok() const { return regex_.ok(); }
  [[nodiscard]] const std::string& error() const { return regex_.error(); }
  [[nodiscard]] bool matches(std::string_view text) const override {
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex_);
  }

 private:
  static RE2::Options options() {
    RE2::Options options;
    options.set_log_errors(false);
    return options;
  }

  RE2 regex_;
};

}  // namespace

Result<StepStatePtr> RegexState::compile(const std::string& pattern) {
  auto state = std::make_shared<const Re2State>(pattern);
  if (!state->ok()) {
    return Status(Code::kInvalidArgument, "cannot read the regular expression: " + state->error());
  }
  return StepStatePtr(std::move(state));
}

}  // namespace assay::data
