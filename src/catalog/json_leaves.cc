#include "catalog/json_leaves.h"

#include <cctype>

namespace assay::catalog {
namespace {

constexpr int kDepthMax = 64;

/// Walks over one JSON text, collecting leaves. Texts come from our own writer, or from a damaged
/// file.
class LeafReader {
 public:
  explicit LeafReader(std::string_view text) : text_(text) {}

  Result<std::vector<std::pair<std::string, std::string>>> read() {
    if (!read_value("", 0) || (skip_blanks(), at_ != text_.size())) {
      return Status(Code::kCorrupt, "not JSON, at byte " + std::to_string(at_));
    }
    return std::move(leaves_);
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool take(char c) {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }
  bool is_next(char c) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == c;
  }

  /// The raw text of a string with its quotes, or of a number or word.
  bool read_scalar(std::string_view* raw) {
    skip_blanks();
    const std::size_t begin = at_;
    if (take('"')) {
      while (at_ < text_.size() && text_[at_] != '"') {
        at_ += text_[at_] == '\\' ? 2 : 1;
      }
      if (at_ >= text_.size()) {
        at_ = text_.size();
        return false;
      }
      ++at_;
    } else {
      while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                    text_[at_] == '.' || text_[at_] == '-' || text_[at_] == '+')) {
        ++at_;
      }
    }
    *raw = text_.substr(begin, at_ - begin);
    return !raw->empty();
  }

  bool read_value(const std::string& path, int depth) {
    if (depth > kDepthMax) {
      return false;
    }
    if (is_next('{')) {
      return read_object(path, depth);
    }
    if (is_next('[')) {
      return read_array(path, depth);
    }
    std::string_view raw;
    if (!read_scalar(&raw)) {
      return false;
    }
    leaves_.emplace_back(path, raw);
    return true;
  }

  bool read_object(const std::string& path, int depth) {
    take('{');
    if (take('}')) {
      leaves_.emplace_back(path, "{}");
      return true;
    }
    do {
      std::string_view key;
      if (!is_next('"') || !read_scalar(&key) || !take(':')) {
        return false;
      }
      const std::string name(key.substr(1, key.size() - 2));
      if (!read_value(path.empty() ? name : path + "." + name, depth + 1)) {
        return false;
      }
    } while (take(','));
    return take('}');
  }

  /// An array of scalars is one leaf; of anything else, each item is looked into.
  bool read_array(const std::string& path, int depth) {
    skip_blanks();
    const std::size_t begin = at_;
    const std::size_t before = leaves_.size();
    take('[');
    if (take(']')) {
      leaves_.emplace_back(path, "[]");
      return true;
    }
    bool scalars = true;
    int index = 0;
    do {
      scalars = scalars && !is_next('{') && !is_next('[');
      if (!read_value(path + "[" + std::to_string(index++) + "]", depth + 1)) {
        return false;
      }
    } while (take(','));
    if (!take(']')) {
      return false;
    }
    if (scalars) {
      leaves_.resize(before);
      leaves_.emplace_back(path, text_.substr(begin, at_ - begin));
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::pair<std::string, std::string>> leaves_;
};

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> json_leaves(std::string_view json) {
  return LeafReader(json).read();
}

}  // namespace assay::catalog
