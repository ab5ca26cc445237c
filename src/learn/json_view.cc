#include "learn/json_view.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace assay::learn {
namespace {

constexpr int kDepthMax = 64;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) {
    ++at;
  }
  return at;
}

/// The number that all of `token` spells, or nothing.
template <typename Float>
std::optional<Float> parse_number(std::string_view token) {
  if (token == "NaN") {
    return std::numeric_limits<Float>::quiet_NaN();
  }
  if (token == "Infinity" || token == "-Infinity") {
    const Float infinity = std::numeric_limits<Float>::infinity();
    return token[0] == '-' ? -infinity : infinity;
  }
  const std::size_t digit = !token.empty() && token[0] == '-' ? 1 : 0;
  if (digit >= token.size() || token[digit] < '0' || token[digit] > '9') {
    return std::nullopt;
  }
  Float value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size()) {
    return std::nullopt;
  }
  return value;
}

bool is_number(std::string_view token) {
  // A number out of double's range is a number still; only its syntax counts here.
  if (parse_number<double>(token)) {
    return true;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  return error == std::errc::result_out_of_range && end == token.data() + token.size();
}

std::optional<unsigned> parse_hex4(std::string_view digits) {
  unsigned value = 0;
  if (digits.size() < 4) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + 4, value, 16);
  return error == std::errc() && end == digits.data() + 4 ? std::optional(value) : std::nullopt;
}

/// End of the string that begins at `at`, past its quote; npos when it is not one.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') {
      return at + 1;
    }
    if (static_cast<unsigned char>(text[at]) < 0x20) {
      break;
    }
    if (text[at] == '\\') {
      ++at;
      if (at == text.size() ||
          std::string_view("\"\\/bfnrtu").find(text[at]) == std::string_view::npos ||
          (text[at] == 'u' && !parse_hex4(text.substr(at + 1)))) {
        break;
      }
    }
  }
  return std::string_view::npos;
}

std::size_t end_of_token(std::string_view text, std::size_t at) {
  while (at < text.size() && !is_space(text[at]) &&
         std::string_view(",]}:\"[{").find(text[at]) == std::string_view::npos) {
    ++at;
  }
  return at;
}

/// End of the value that begins at `at`; on a fault npos, and where it was.
std::size_t skip_value(std::string_view text, std::size_t at, int depth, std::size_t* fault);

std::size_t skip_list(std::string_view text, std::size_t at, int depth, std::size_t* fault) {
  const bool is_object = text[at] == '{';
  const char close = is_object ? '}' : ']';
  at = skip_space(text, at + 1);
  if (at < text.size() && text[at] == close) {
    return at + 1;
  }
  while (true) {
    if (is_object) {
      *fault = at;
      if (at >= text.size() || text[at] != '"' ||
          (at = skip_string(text, at)) == std::string_view::npos) {
        return std::string_view::npos;
      }
      at = skip_space(text, at);
      if (at >= text.size() || text[at] != ':') {
        *fault = at;
        return std::string_view::npos;
      }
      at = skip_space(text, at + 1);
    }
    at = skip_value(text, at, depth + 1, fault);
    if (at == std::string_view::npos) {
      return at;
    }
    at = skip_space(text, at);
    if (at < text.size() && text[at] == close) {
      return at + 1;
    }
    if (at >= text.size() || text[at] != ',') {
      *fault = at;
      return std::string_view::npos;
    }
    at = skip_space(text, at + 1);
  }
}

std::size_t skip_value(std::string_view text, std::size_t at, int depth, std::size_t* fault) {
  *fault = at;
  if (at >= text.size() || depth > kDepthMax) {
    return std::string_view::npos;
  }
  if (text[at] == '{' || text[at] == '[') {
    return skip_list(text, at, depth, fault);
  }
  if (text[at] == '"') {
    return skip_string(text, at);
  }
  const std::size_t end = end_of_token(text, at);
  const std::string_view token = text.substr(at, end - at);
  const bool known = token == "true" || token == "false" || token == "null" || is_number(token);
  return known ? end : std::string_view::npos;
}

/// End of a value of a text that has been checked: brackets are counted, numbers are not read.
std::size_t pass_value(std::string_view text, std::size_t at) {
  int depth = 0;
  do {
    if (text[at] == '"') {
      at = skip_string(text, at);
    } else if (text[at] == '{' || text[at] == '[') {
      ++depth;
      ++at;
    } else if (text[at] == '}' || text[at] == ']') {
      --depth;
      ++at;
    } else if (text[at] == ',' || text[at] == ':' || is_space(text[at])) {
      ++at;
    } else {
      at = end_of_token(text, at);
    }
  } while (depth > 0);
  return at;
}

void append_utf8(unsigned code_point, std::string& out) {
  const auto byte = [&](unsigned value) { out.push_back(static_cast<char>(value)); };
  if (code_point < 0x80) {
    byte(code_point);
  } else if (code_point < 0x800) {
    byte(0xc0 | code_point >> 6);
    byte(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    byte(0xe0 | code_point >> 12);
    byte(0x80 | (code_point >> 6 & 0x3f));
    byte(0x80 | (code_point & 0x3f));
  } else {
    byte(0xf0 | code_point >> 18);
    byte(0x80 | (code_point >> 12 & 0x3f));
    byte(0x80 | (code_point >> 6 & 0x3f));
    byte(0x80 | (code_point & 0x3f));
  }
}

/// Append what follows a backslash at `at` (which is past it); gives the last byte read.
std::size_t append_escape(std::string_view raw, std::size_t at, std::string& out) {
  static constexpr std::string_view kLetters = "bfnrt";
  static constexpr std::string_view kMeanings = "\b\f\n\r\t";
  if (raw[at] != 'u') {
    const std::size_t letter = kLetters.find(raw[at]);
    out.push_back(letter == std::string_view::npos ? raw[at] : kMeanings[letter]);
    return at;
  }
  unsigned code_point = parse_hex4(raw.substr(at + 1)).value_or(0xfffd);
  at += 4;
  if (code_point >= 0xd800 && code_point < 0xdc00 && raw.substr(at + 1, 2) == "\\u") {
    const unsigned low = parse_hex4(raw.substr(at + 3)).value_or(0);
    if (low >= 0xdc00 && low < 0xe000) {
      append_utf8(0x10000 + ((code_point - 0xd800) << 10) + (low - 0xdc00), out);
      return at + 6;
    }
  }
  append_utf8(code_point >= 0xd800 && code_point < 0xe000 ? 0xfffd : code_point, out);
  return at;
}

std::string unescape(std::string_view quoted) {
  std::string out;
  for (std::size_t at = 1; at + 1 < quoted.size(); ++at) {
    if (quoted[at] == '\\') {
      at = append_escape(quoted, at + 1, out);
    } else {
      out.push_back(quoted[at]);
    }
  }
  return out;
}

}  // namespace

Result<JsonView> JsonView::parse(std::string_view text) {
  const std::size_t begin = skip_space(text, 0);
  std::size_t fault = begin;
  const std::size_t end = skip_value(text, begin, 0, &fault);
  if (end == std::string_view::npos) {
    return Status(Code::kCorrupt, "not JSON from byte " + std::to_string(fault));
  }
  if (skip_space(text, end) != text.size()) {
    return Status(Code::kCorrupt,
                  "more than one JSON value; the second begins at byte " +
                      std::to_string(skip_space(text, end)));
  }
  return JsonView(text.substr(begin, end - begin));
}

std::optional<JsonView::Members> JsonView::members() const {
  if (raw_[0] != '{') {
    return std::nullopt;
  }
  Members members;
  std::size_t at = skip_space(raw_, 1);
  while (raw_[at] != '}') {
    const std::size_t name_end = skip_string(raw_, at);
    std::string name = unescape(raw_.substr(at, name_end - at));
    at = skip_space(raw_, skip_space(raw_, name_end) + 1);
    const std::size_t end = pass_value(raw_, at);
    members.emplace_back(std::move(name), JsonView(raw_.substr(at, end - at)));
    at = skip_space(raw_, end);
    at = raw_[at] == ',' ? skip_space(raw_, at + 1) : at;
  }
  return members;
}

std::optional<std::vector<JsonView>> JsonView::items() const {
  if (raw_[0] != '[') {
    return std::nullopt;
  }
  std::vector<JsonView> items;
  std::size_t at = skip_space(raw_, 1);
  while (raw_[at] != ']') {
    const std::size_t end = pass_value(raw_, at);
    items.push_back(JsonView(raw_.substr(at, end - at)));
    at = skip_space(raw_, end);
    at = raw_[at] == ',' ? skip_space(raw_, at + 1) : at;
  }
  return items;
}

std::optional<std::string> JsonView::text() const {
  return raw_[0] == '"' ? std::optional(unescape(raw_)) : std::nullopt;
}

std::optional<double> JsonView::number() const {
  return parse_number<double>(raw_);
}
std::optional<float> JsonView::number32() const {
  return parse_number<float>(raw_);
}

std::optional<int64_t> JsonView::integer() const {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(raw_.data(), raw_.data() + raw_.size(), value);
  return error == std::errc() && end == raw_.data() + raw_.size() ? std::optional(value)
                                                                  : std::nullopt;
}

std::optional<bool> JsonView::boolean() const {
  return raw_ == "true" || raw_ == "false" ? std::optional(raw_ == "true") : std::nullopt;
}

std::optional<JsonView> JsonView::find(std::string_view name) const {
  const std::optional<Members> all = members();
  if (all) {
    for (const auto& [member, value] : *all) {
      if (member == name) {
        return value;
      }
    }
  }
  return std::nullopt;
}

}  // namespace assay::learn
