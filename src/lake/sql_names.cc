#include "lake/sql_names.h"

#include <algorithm>
#include <initializer_list>

// A lexer as DuckDB's (PostgreSQL's) cuts SQL, as far as names need it: what is a string or a
// comment must be skipped just as the engine skips it, or a clause inside a text would be taken for
// one of ours.

namespace assay::lake {
namespace {

struct Token {
  enum class Kind { kName, kText, kNumber, kSymbol } kind = Kind::kSymbol;
  std::string text;  // names in lower case; names and texts without quotes
  bool quoted = false;
  std::size_t begin = 0;
  std::size_t end = 0;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool continues_name(char c) {
  return begins_name(c) || is_digit(c) || c == '$';
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> tokens() {
    std::vector<Token> all;
    for (skip_blanks(); at_ < text_.size(); skip_blanks()) {
      Token token;
      token.begin = at_;
      read(token);
      token.end = at_;
      all.push_back(std::move(token));
    }
    return all;
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      const char c = peek();
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
      } else if (c == '-' && peek(1) == '-') {
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
      } else if (c == '/' && peek(1) == '*') {
        skip_comment();
      } else {
        return;
      }
    }
  }

  void skip_comment() {
    int depth = 0;
    while (at_ < text_.size()) {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        at_ += 2;
        if (--depth == 0) {
          return;
        }
      } else {
        ++at_;
      }
    }
  }

  void read(Token& token) {
    const char c = peek();
    if (c == '\'') {
      token.kind = Token::Kind::kText;
      read_quoted(token, '\'', false);
    } else if (c == '"') {
      token.kind = Token::Kind::kName;
      token.quoted = true;
      read_quoted(token, '"', false);
      token.text = lower(token.text);
    } else if ((c == 'e' || c == 'E') && peek(1) == '\'') {
      token.kind = Token::Kind::kText;
      ++at_;
      read_quoted(token, '\'', true);
    } else if (c == '$' && !is_digit(peek(1))) {
      read_dollar_quoted(token);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      read_number(token);
    } else if (begins_name(c)) {
      token.kind = Token::Kind::kName;
      while (at_ < text_.size() && continues_name(peek())) {
        ++at_;
      }
      token.text = lower(text_.substr(token.begin, at_ - token.begin));
    } else {
      at_ += c == '=' && peek(1) == '>' ? 2 : 1;
      token.text = text_.substr(token.begin, at_ - token.begin);
    }
  }

  void read_quoted(Token& token, char quote, bool escapes) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (escapes && peek() == '\\') {
        ++at_;
      } else if (peek() == quote) {
        if (peek(1) != quote) {
          ++at_;
          return;
        }
        ++at_;
      }
      token.text += peek();
    }
    at_ = std::min(at_, text_.size());
  }

  void read_dollar_quoted(Token& token) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != '$' && continues_name(text_[end])) {
      ++end;
    }
    if (end >= text_.size() || text_[end] != '$') {
      ++at_;
      return;  // a lonely dollar
    }
    const std::string_view tag = text_.substr(at_, end + 1 - at_);
    const std::size_t close = text_.find(tag, end + 1);
    token.kind = Token::Kind::kText;
    at_ = close == std::string_view::npos ? text_.size() : close + tag.size();
  }

  void read_number(Token& token) {
    token.kind = Token::Kind::kNumber;
    while (continues_name(peek()) || (peek() == '.' && peek(1) != '.')) {
      const bool exponent = peek() == 'e' || peek() == 'E';
      ++at_;
      if (exponent && (peek() == '+' || peek() == '-')) {
        ++at_;
      }
    }
    token.text = text_.substr(token.begin, at_ - token.begin);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class NameReader {
 public:
  explicit NameReader(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  std::vector<SqlName> names() {
    std::vector<SqlName> all;
    while (at_ < tokens_.size()) {
      if (tokens_[at_].kind != Token::Kind::kName) {
        ++at_;
        continue;
      }
      all.push_back(name());
      all.back().travel = travel();
    }
    return all;
  }

 private:
  SqlName name() {
    SqlName name{{tokens_[at_].text}, tokens_[at_].begin, tokens_[at_].end, {}};
    ++at_;
    while (is_symbol(at_, ".") && is_kind(at_ + 1, Token::Kind::kName)) {
      name.parts.push_back(tokens_[at_ + 1].text);
      name.end = tokens_[at_ + 1].end;
      at_ += 2;
    }
    return name;
  }

  std::optional<TimeTravel> travel() {
    const std::size_t begin = at_;
    std::optional<TimeTravel> found = is_word(at_, "at") ? at_clause() : as_of_clause();
    if (!found) {
      at_ = begin;
      return std::nullopt;
    }
    found->begin = tokens_[begin].begin;
    found->end = tokens_[at_ - 1].end;
    return found;
  }

  std::optional<TimeTravel> as_of_clause() {
    at_ += is_word(at_, "for") ? 1 : 0;
    const bool version = is_word(at_, "version");
    if ((!version && !is_word(at_, "timestamp")) || !is_word(at_ + 1, "as") ||
        !is_word(at_ + 2, "of")) {
      return std::nullopt;
    }
    at_ += 3;
    return version ? take_any_version() : take_time();
  }

  std::optional<TimeTravel> at_clause() {
    const bool version = is_word(at_ + 2, "version");
    if (!is_symbol(at_ + 1, "(") || (!version && !is_word(at_ + 2, "timestamp")) ||
        !is_symbol(at_ + 3, "=>")) {
      return std::nullopt;
    }
    at_ += 4;
    std::optional<TimeTravel> found = version ? take_version() : take_time();
    if (!is_symbol(at_, ")")) {
      return std::nullopt;
    }
    ++at_;
    return found;
  }

  std::optional<TimeTravel> take_version() {
    if (!is_kind(at_, Token::Kind::kNumber)) {
      return std::nullopt;
    }
    TimeTravel travel;
    travel.version = tokens_[at_++].text;
    return travel;
  }

  /// Whatever stands behind AS OF is taken: that it is no version is told with the table's name.
  std::optional<TimeTravel> take_any_version() {
    const bool has_sign = is_symbol(at_, "-") || is_symbol(at_, "+");
    const std::size_t value = has_sign ? at_ + 1 : at_;
    if (value >= tokens_.size() || is_kind(value, Token::Kind::kSymbol)) {
      return std::nullopt;
    }
    const Token& token = tokens_[value];
    const std::string quote = token.kind == Token::Kind::kText ? "'" : token.quoted ? "\"" : "";
    TimeTravel travel;
    travel.version = (has_sign ? tokens_[at_].text : "") + quote + token.text + quote;
    at_ = value + 1;
    return travel;
  }

  std::optional<TimeTravel> take_time() {
    for (const std::string_view type : {"timestamp", "timestamptz", "date"}) {
      if (is_word(at_, type) && is_kind(at_ + 1, Token::Kind::kText)) {
        ++at_;
        break;
      }
    }
    if (!is_kind(at_, Token::Kind::kText)) {
      return std::nullopt;
    }
    TimeTravel travel;
    travel.time = tokens_[at_++].text;
    return travel;
  }

  [[nodiscard]] bool is_kind(std::size_t at, Token::Kind kind) const {
    return at < tokens_.size() && tokens_[at].kind == kind;
  }
  [[nodiscard]] bool is_symbol(std::size_t at, std::string_view symbol) const {
    return is_kind(at, Token::Kind::kSymbol) && tokens_[at].text == symbol;
  }
  [[nodiscard]] bool is_word(std::size_t at, std::string_view word) const {
    return is_kind(at, Token::Kind::kName) && !tokens_[at].quoted && tokens_[at].text == word;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<SqlName> names_in_sql(std::string_view sql) {
  return NameReader(Lexer(sql).tokens()).names();
}

std::string position_in_sql(std::string_view sql, std::size_t at) {
  const std::string_view before = sql.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t begin =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const std::string_view tail = before.substr(begin);
  const auto column = 1 + std::count_if(tail.begin(), tail.end(), [](char c) {
                        return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
                      });
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

}  // namespace assay::lake
