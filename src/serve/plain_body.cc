#include "serve/plain_body.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::serve {
namespace {

constexpr std::size_t kColumnsMax = 16;  // names are compared with each other
constexpr std::size_t kPlainNamesMax = 1000;
constexpr std::size_t kPlainDigitsMax = 18;  // of any of them it is known that it fits

/// What may stand within a text as it is.
constexpr std::array<bool, 256> kPlainBytes = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x7F; ++byte) {
    plain[byte] = byte != '"' && byte != '\\';
  }
  return plain;
}();

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/// Whether a list begins with a text or a whole number, or is empty.
bool begins_plain(std::string_view list) {
  std::size_t at = 0;
  while (at < list.size() && is_blank(list[at])) {
    ++at;
  }
  if (at < list.size() && (list[at] == '"' || list[at] == ']')) {
    return true;
  }
  at += at < list.size() && list[at] == '-' ? 1 : 0;
  const std::size_t digits = at;
  while (at < list.size() && list[at] >= '0' && list[at] <= '9') {
    ++at;
  }
  return at > digits && at < list.size() &&
         (list[at] == ',' || list[at] == ']' || is_blank(list[at]));
}

/// Whether the lists of a large body begin as plain ones do. Others are not to be read up to their
/// last column, and then once more.
bool looks_plain(std::string_view json) {
  constexpr std::size_t kSmallBytes = 4 << 10;
  if (json.size() <= kSmallBytes) {
    return true;
  }
  std::size_t left = kColumnsMax + 1;  // and the names of features
  for (std::size_t at = json.find('['); at != std::string_view::npos && left > 0;
       at = json.find('[', at + 1), --left) {
    std::size_t before = at;
    while (before > 0 && is_blank(json[before - 1])) {
      --before;
    }
    const bool is_member = before > 0 && json[before - 1] == ':';
    if (is_member && !begins_plain(json.substr(at + 1))) {
      return false;
    }
  }
  return true;
}

class PlainReader {
 public:
  PlainReader(std::string_view json, RequestBody& body)
      : at_(json.data()), end_(json.data() + json.size()), body_(body) {}

  bool read() {
    return each_member([this](std::string_view key) { return read_field(key); }) && has_entities_ &&
           next() == '\0' && at_ == end_;
  }

 private:
  /// What stands next, behind blanks; '\0' at the end.
  char next() {
    while (at_ != end_ && is_blank(*at_)) {
      ++at_;
    }
    return at_ == end_ ? '\0' : *at_;
  }
  bool takes(char wanted) {
    if (next() != wanted || at_ == end_) {
      return false;
    }
    ++at_;
    return true;
  }
  bool takes_word(std::string_view word) {
    next();
    if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) {
      return false;
    }
    at_ += word.size();  // what stands behind it is looked at next: a comma or a bracket
    return true;
  }
  bool read_text(std::string_view* text) {
    if (!takes('"')) {
      return false;
    }
    const char* const begin = at_;
    while (at_ != end_ && kPlainBytes[static_cast<unsigned char>(*at_)]) {
      ++at_;
    }
    *text = {begin, static_cast<std::size_t>(at_ - begin)};
    return takes('"') && text->data() + text->size() + 1 == at_;
  }
  bool read_whole_number(int64_t* number) {
    const bool is_negative = at_ != end_ && *at_ == '-';
    const char* const begin = is_negative ? at_ + 1 : at_;
    const char* digit = begin;
    int64_t value = 0;
    while (digit != end_ && *digit >= '0' && *digit <= '9' &&
           digit - begin <= static_cast<std::ptrdiff_t>(kPlainDigitsMax)) {
      value = value * 10 + (*digit++ - '0');
    }
    const auto digits = static_cast<std::size_t>(digit - begin);
    if (digits == 0 || digits > kPlainDigitsMax || (*begin == '0' && (digits > 1 || is_negative))) {
      return false;
    }
    at_ = digit;  // a fraction or an exponent is no comma
    *number = is_negative ? -value : value;
    return true;
  }

  /// `item` for each element of what the brackets hold.
  template <typename Item>
  bool each_item(char open, char close, const Item& item) {
    if (!takes(open)) {
      return false;
    }
    if (takes(close)) {
      return true;
    }
    do {
      if (!item()) {
        return false;
      }
    } while (takes(','));
    return takes(close);
  }
  template <typename Member>
  bool each_member(const Member& member) {
    return each_item('{', '}', [&] {
      std::string_view key;
      return read_text(&key) && takes(':') && member(key);
    });
  }

  bool read_value(std::vector<JsonValue>* values) {
    if (next() == '"') {
      std::string_view text;
      if (!read_text(&text)) {
        return false;
      }
      values->emplace_back(std::string(text));
      return true;
    }
    int64_t number = 0;
    if (!read_whole_number(&number)) {
      return false;
    }
    values->emplace_back(number);
    return true;
  }
  bool read_column(std::string_view name) {
    std::vector<JsonColumn>& columns = body_.entities;
    const bool is_known = std::any_of(
        columns.begin(), columns.end(), [&](const JsonColumn& one) { return one.name == name; });
    if (is_known || columns.size() == kColumnsMax) {
      return false;
    }
    columns.push_back({std::string(name), {}});
    std::vector<JsonValue>& values = columns.back().values;
    return each_item('[', ']', [&] { return read_value(&values); });
  }
  bool read_names() {
    std::vector<std::string>& names = body_.features.emplace();
    return each_item('[', ']', [&] {
      std::string_view name;
      if (names.size() == kPlainNamesMax || !read_text(&name)) {
        return false;
      }
      names.emplace_back(name);
      return true;
    });
  }
  bool read_name(std::optional<std::string>* name) {
    std::string_view text;
    if (name->has_value() || !read_text(&text)) {
      return false;
    }
    name->emplace(text);
    return true;
  }
  /// Once, so that a flag that is false is one that was not said.
  bool read_flag(bool* flag) {
    if (*flag) {
      return false;
    }
    *flag = takes_word("true");
    return *flag || takes_word("false");
  }
  bool read_field(std::string_view key) {
    if (key == "entities") {
      return !std::exchange(has_entities_, true) &&
             each_member([this](std::string_view name) { return read_column(name); });
    }
    if (key == "feature_service") {
      return read_name(&body_.feature_service);
    }
    if (key == "features") {
      return !body_.features.has_value() && read_names();
    }
    if (key == "model") {
      return read_name(&body_.model);
    }
    return key == "full_feature_names"                      ? read_flag(&body_.full_feature_names)
           : key == "with_features"                         ? read_flag(&body_.with_features)
           : key == "include_feature_view_version_metadata" ? read_flag(&body_.with_view_versions)
                                                            : false;
  }

  const char* at_;
  const char* const end_;
  RequestBody& body_;
  bool has_entities_ = false;
};

}  // namespace

bool read_plain_body(std::string_view json, RequestBody* body) {
  return looks_plain(json) && PlainReader(json, *body).read();
}

}  // namespace assay::serve
