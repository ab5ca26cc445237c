#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace assay::catalog {

/// A text cut into lines once, for many looks at single ones. The text must outlive it.
///
/// Threads immutable.
class TextLines {
 public:
  explicit TextLines(std::string_view text) {
    std::size_t begin = 0;
    while (begin <= text.size()) {
      const std::size_t newline = text.find('\n', begin);
      const std::size_t end = newline == std::string_view::npos ? text.size() : newline;
      lines_.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  /// Line `number`, from 1, without its line end; "" when there is none.
  [[nodiscard]] std::string_view line(int number) const {
    if (number < 1 || static_cast<std::size_t>(number) > lines_.size()) {
      return {};
    }
    std::string_view line = lines_[static_cast<std::size_t>(number) - 1];
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
    return line;
  }
  /// The rest of that line from a column on, in bytes from 1; "" when there is no such place.
  [[nodiscard]] std::string_view from(int number, int column) const {
    const std::string_view whole = line(number);
    const auto skipped = static_cast<std::size_t>(column - 1);
    return column < 1 || skipped > whole.size() ? std::string_view() : whole.substr(skipped);
  }

 private:
  std::vector<std::string_view> lines_;
};

}  // namespace assay::catalog
