#include "serve/json_slices.h"

namespace assay::serve {
namespace {

/// What is left of a text that is read from its front.
class Rest {
 public:
  explicit Rest(std::string_view text) : text_(text) {}

  [[nodiscard]] bool empty() const { return text_.empty(); }
  void skip_space() {
    const std::size_t at = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(at == std::string_view::npos ? text_.size() : at);
  }
  /// Whether this stood there; then it is behind.
  bool take(char wanted) {
    skip_space();
    if (text_.empty() || text_.front() != wanted) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }
  /// A value; nothing when the text ends inside of it, or there is none.
  std::optional<std::string_view> value() {
    skip_space();
    const std::optional<std::size_t> end = end_of_value();
    if (!end.has_value() || *end == 0) {
      return std::nullopt;
    }
    const std::string_view found = text_.substr(0, *end);
    text_.remove_prefix(*end);
    return found;
  }
  std::optional<std::string_view> string() {
    skip_space();
    return !text_.empty() && text_.front() == '"' ? value() : std::nullopt;
  }

 private:
  [[nodiscard]] std::optional<std::size_t> end_of_string(std::size_t at) const {
    for (++at; at < text_.size(); ++at) {
      if (text_[at] == '\\') {
        ++at;
      } else if (text_[at] == '"') {
        return at + 1;
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::size_t> end_of_value() const {
    if (text_.empty()) {
      return std::nullopt;
    }
    if (text_.front() == '"') {
      return end_of_string(0);
    }
    if (text_.front() != '{' && text_.front() != '[') {
      const std::size_t end = text_.find_first_of(",]} \t\r\n");
      return end == std::string_view::npos ? text_.size() : end;
    }
    int depth = 0;
    for (std::size_t at = 0; at < text_.size();) {
      const char c = text_[at];
      if (c == '"') {
        const std::optional<std::size_t> end = end_of_string(at);
        if (!end.has_value()) {
          return std::nullopt;
        }
        at = *end;
        continue;
      }
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      ++at;
      if (depth == 0) {
        return at;
      }
    }
    return std::nullopt;
  }

  std::string_view text_;
};

}  // namespace

std::optional<std::vector<JsonMember>> json_members(std::string_view object) {
  Rest rest(object);
  std::vector<JsonMember> members;
  if (!rest.take('{')) {
    return std::nullopt;
  }
  while (!rest.take('}')) {
    if (!members.empty() && !rest.take(',')) {
      return std::nullopt;
    }
    const std::optional<std::string_view> name = rest.string();
    if (!name.has_value() || !rest.take(':')) {
      return std::nullopt;
    }
    const std::optional<std::string_view> value = rest.value();
    if (!value.has_value()) {
      return std::nullopt;
    }
    members.push_back({*name, *value});
  }
  rest.skip_space();
  return rest.empty() ? std::optional(std::move(members)) : std::nullopt;
}

std::optional<std::vector<std::string_view>> json_elements(std::string_view array) {
  Rest rest(array);
  std::vector<std::string_view> elements;
  if (!rest.take('[')) {
    return std::nullopt;
  }
  while (!rest.take(']')) {
    if (!elements.empty() && !rest.take(',')) {
      return std::nullopt;
    }
    const std::optional<std::string_view> value = rest.value();
    if (!value.has_value()) {
      return std::nullopt;
    }
    elements.push_back(*value);
  }
  rest.skip_space();
  return rest.empty() ? std::optional(std::move(elements)) : std::nullopt;
}

}  // namespace assay::serve
