#include "lake/where_clause.h"

#include <algorithm>
#include <initializer_list>

namespace assay::lake {
namespace {

struct Token {
  enum class Kind { kWord, kQuotedName, kText, kNumber, kSymbol } kind = Kind::kSymbol;
  std::string text;  // words in lower case; texts and quoted names unquoted
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) || c == '_';
}

/// Cuts SQL into tokens. Refuses (nothing) whatever could be cut otherwise by SQL's own lexer.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::optional<std::vector<Token>> tokens() {
    std::vector<Token> result;
    while (true) {
      while (at_ < text_.size() &&
             (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) {
        ++at_;
      }
      if (at_ == text_.size()) {
        return result;
      }
      std::optional<Token> token = next();
      if (!token) {
        return std::nullopt;
      }
      result.push_back(std::move(*token));
    }
  }

 private:
  std::optional<Token> next() {
    const char c = text_[at_];
    if (c == '\'' || c == '"') {
      return quoted(c);
    }
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
      return number();
    }
    if (is_word(c)) {
      return word();
    }
    const std::string_view two = text_.substr(at_, 2);
    // Beyond ASCII there are letters and white space alike: what is not quoted is in doubt.
    const bool odd = c == '$' || c == ';' || c == '\0' || static_cast<unsigned char>(c) >= 0x80;
    if (odd || two == "--" || two == "/*" || two == "->") {
      return std::nullopt;
    }
    for (const std::string_view symbol : {"<=", ">=", "<>", "!=", "==", "::", "||"}) {
      if (two == symbol) {
        at_ += 2;
        return Token{Token::Kind::kSymbol, std::string(symbol)};
      }
    }
    ++at_;
    return Token{Token::Kind::kSymbol, std::string(1, c)};
  }

  std::optional<Token> quoted(char quote) {
    Token token{quote == '"' ? Token::Kind::kQuotedName : Token::Kind::kText, ""};
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != quote) {
        token.text += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
        token.text += quote;
        ++at_;
      } else {
        ++at_;
        return token;
      }
    }
    return std::nullopt;
  }

  /// Digits, a point, an exponent; SQL would cut `5or` and `1_000` in other ways.
  std::optional<Token> number() {
    const std::size_t begin = at_;
    skip_digits();
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      skip_digits();
    }
    if (at_ < text_.size() && lower(text_[at_]) == 'e') {
      ++at_;
      at_ += at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-') ? 1 : 0;
      skip_digits();
    }
    if (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) {
      return std::nullopt;
    }
    return Token{Token::Kind::kNumber, std::string(text_.substr(begin, at_ - begin))};
  }

  void skip_digits() {
    while (at_ < text_.size() && is_digit(text_[at_])) {
      ++at_;
    }
  }

  std::optional<Token> word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) {
      ++at_;
    }
    if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '&')) {
      return std::nullopt;  // E'...', U&'...' and the like have escapes of their own
    }
    return Token{Token::Kind::kWord, lower(text_.substr(begin, at_ - begin))};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class WhereParser {
 public:
  WhereParser(std::vector<Token> tokens, const data::Schema& schema)
      : tokens_(std::move(tokens)), schema_(schema) {}

  std::vector<Condition> parse() {
    if (!conjunction() || at_ != tokens_.size()) {
      conditions_.clear();
    }
    return std::move(conditions_);
  }

 private:
  /// Conditions joined by AND, up to the end or a closing parenthesis. False: in doubt.
  bool conjunction() {
    while (true) {
      if (!member()) {
        return false;
      }
      if (at_ == tokens_.size() || is_symbol(")")) {
        return true;
      }
      if (!take_word("and")) {
        return false;
      }
    }
  }

  bool member() {
    const std::size_t begin = at_;
    const std::size_t known = conditions_.size();
    if (condition() && at_end_of_member()) {
      return true;
    }
    at_ = begin;
    conditions_.resize(known);
    if (depth_ < kDepthMax && take_symbol("(")) {
      ++depth_;
      const bool good = conjunction() && take_symbol(")") && at_end_of_member();
      --depth_;
      if (good) {
        return true;
      }
      at_ = begin;
      conditions_.resize(known);
    }
    return skip_member();
  }

  [[nodiscard]] bool at_end_of_member() const {
    return at_ == tokens_.size() || is_symbol(")") || is_word("and");
  }

  /// Step over a member that is not understood. False when AND and OR in it bind in other ways.
  bool skip_member() {
    int depth = 0;
    const std::size_t begin = at_;
    for (; at_ < tokens_.size(); ++at_) {
      if (depth == 0 && at_end_of_member()) {
        return at_ > begin;
      }
      depth += is_symbol("(") || is_symbol("[") || is_symbol("{") ? 1 : 0;
      depth -= is_symbol(")") || is_symbol("]") || is_symbol("}") ? 1 : 0;
      if (depth < 0) {
        return false;
      }
      for (const std::string_view word : {"or",
                                          "case",
                                          "between",
                                          "union",
                                          "except",
                                          "intersect",
                                          "lambda",
                                          "order",
                                          "group",
                                          "limit",
                                          "having",
                                          "where"}) {
        if (depth == 0 && is_word(word)) {
          return false;
        }
      }
    }
    return depth == 0 && at_ > begin;
  }

  /// True when one condition was read and kept.
  bool condition() {
    const std::optional<int> column = take_column();
    if (!column) {
      return flipped_condition();
    }
    if (at_end_of_member()) {
      if (schema_.field(*column).type != data::Type::kBool) {
        return false;
      }
      conditions_.push_back({*column, Comparison::kEqual, {{Literal::Kind::kBoolean, "true"}}});
      return true;
    }
    if (take_word("is")) {
      const bool negated = take_word("not");
      conditions_.push_back({*column, negated ? Comparison::kIsNotNull : Comparison::kIsNull, {}});
      return take_word("null");
    }
    if (take_word("between")) {
      return between(*column);
    }
    if (take_word("in")) {
      return in_list(*column);
    }
    const std::optional<Comparison> comparison = take_comparison();
    return comparison && keep(*column, *comparison, take_literal());
  }

  bool flipped_condition() {
    std::optional<Literal> literal = take_literal();
    const std::optional<Comparison> comparison = literal ? take_comparison() : std::nullopt;
    const std::optional<int> column = comparison ? take_column() : std::nullopt;
    return column && keep(*column, flip(*comparison), std::move(literal));
  }

  static Comparison flip(Comparison comparison) {
    switch (comparison) {
      case Comparison::kLess:
        return Comparison::kGreater;
      case Comparison::kLessOrEqual:
        return Comparison::kGreaterOrEqual;
      case Comparison::kGreater:
        return Comparison::kLess;
      case Comparison::kGreaterOrEqual:
        return Comparison::kLessOrEqual;
      default:
        return comparison;
    }
  }

  bool between(int column) {
    return keep(column, Comparison::kGreaterOrEqual, take_literal()) && take_word("and") &&
           keep(column, Comparison::kLessOrEqual, take_literal());
  }

  bool in_list(int column) {
    Condition condition{column, Comparison::kEqual, {}};
    if (!take_symbol("(")) {
      return false;
    }
    do {
      std::optional<Literal> literal = take_literal();
      if (!literal) {
        return false;
      }
      condition.literals.push_back(std::move(*literal));
    } while (take_symbol(","));
    conditions_.push_back(std::move(condition));
    return take_symbol(")");
  }

  bool keep(int column, Comparison comparison, std::optional<Literal> literal) {
    if (!literal) {
      return false;
    }
    conditions_.push_back({column, comparison, {std::move(*literal)}});
    return true;
  }

  std::optional<int> take_column() {
    if (at_ == tokens_.size() || (tokens_[at_].kind != Token::Kind::kWord &&
                                  tokens_[at_].kind != Token::Kind::kQuotedName)) {
      return std::nullopt;
    }
    const std::string wanted = lower(tokens_[at_].text);
    for (int i = 0; i < schema_.size(); ++i) {
      if (lower(schema_.field(i).name) == wanted) {
        // `date '2001-01-01'` is a literal and `f(...)` a call, whatever the columns are called.
        const bool literal_or_call =
            at_ + 1 < tokens_.size() &&
            (tokens_[at_ + 1].kind == Token::Kind::kText || tokens_[at_ + 1].text == "(");
        if (literal_or_call) {
          return std::nullopt;
        }
        ++at_;
        return i;
      }
    }
    return std::nullopt;
  }

  std::optional<Comparison> take_comparison() {
    static constexpr std::pair<std::string_view, Comparison> kSymbols[] = {
        {"=", Comparison::kEqual},
        {"==", Comparison::kEqual},
        {"<", Comparison::kLess},
        {"<=", Comparison::kLessOrEqual},
        {">", Comparison::kGreater},
        {">=", Comparison::kGreaterOrEqual},
    };
    for (const auto& [symbol, comparison] : kSymbols) {
      if (take_symbol(symbol)) {
        return comparison;
      }
    }
    return std::nullopt;
  }

  std::optional<Literal> take_literal() {
    std::optional<Literal> literal = take_plain_literal();
    if (!literal || !take_symbol("::")) {
      return literal;
    }
    // A cast of text tells the type; other casts may round.
    const std::optional<Literal::Kind> kind = take_type();
    if (literal->kind != Literal::Kind::kText || !kind) {
      return std::nullopt;
    }
    literal->kind = *kind;
    return literal;
  }

  std::optional<Literal::Kind> take_type() {
    if (take_word("date")) {
      return Literal::Kind::kDate;
    }
    if (take_word("timestamptz")) {
      return Literal::Kind::kTimestamp;
    }
    if (take_word("timestamp")) {
      const bool zoned = take_word("with") && take_word("time") && take_word("zone");
      static_cast<void>(zoned);
      return Literal::Kind::kTimestamp;
    }
    if (take_word("varchar")) {
      return Literal::Kind::kText;
    }
    return std::nullopt;
  }

  std::optional<Literal> take_plain_literal() {
    if (at_ == tokens_.size()) {
      return std::nullopt;
    }
    const Token& token = tokens_[at_];
    if (token.kind == Token::Kind::kText) {
      ++at_;
      return Literal{Literal::Kind::kText, token.text};
    }
    if (token.kind == Token::Kind::kWord && (token.text == "true" || token.text == "false")) {
      ++at_;
      return Literal{Literal::Kind::kBoolean, token.text};
    }
    if (take_word("make_timestamptz")) {
      std::optional<std::string> micros = take_symbol("(") ? take_number() : std::nullopt;
      return micros && take_symbol(")")
                 ? std::optional(Literal{Literal::Kind::kMicros, std::move(*micros)})
                 : std::nullopt;
    }
    if (const std::optional<Literal::Kind> kind = take_type()) {
      if (at_ < tokens_.size() && tokens_[at_].kind == Token::Kind::kText) {
        return Literal{*kind, tokens_[at_++].text};
      }
      return std::nullopt;
    }
    std::optional<std::string> number = take_number();
    return number ? std::optional(Literal{Literal::Kind::kNumber, std::move(*number)})
                  : std::nullopt;
  }

  std::optional<std::string> take_number() {
    std::string text = take_symbol("-") ? "-" : "";
    if (at_ == tokens_.size() || tokens_[at_].kind != Token::Kind::kNumber) {
      return std::nullopt;
    }
    text += tokens_[at_++].text;
    return text;
  }

  [[nodiscard]] bool is_symbol(std::string_view symbol) const {
    return at_ < tokens_.size() && tokens_[at_].kind == Token::Kind::kSymbol &&
           tokens_[at_].text == symbol;
  }
  [[nodiscard]] bool is_word(std::string_view word) const {
    return at_ < tokens_.size() && tokens_[at_].kind == Token::Kind::kWord &&
           tokens_[at_].text == word;
  }
  bool take_symbol(std::string_view symbol) {
    const bool there = is_symbol(symbol);
    at_ += there ? 1 : 0;
    return there;
  }
  bool take_word(std::string_view word) {
    const bool there = is_word(word);
    at_ += there ? 1 : 0;
    return there;
  }

  static constexpr int kDepthMax = 16;

  std::vector<Token> tokens_;
  const data::Schema& schema_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::vector<Condition> conditions_;
};

}  // namespace

std::vector<Condition> parse_where(std::string_view where, const data::Schema& schema) {
  std::optional<std::vector<Token>> tokens = Lexer(where).tokens();
  if (!tokens || tokens->empty()) {
    return {};
  }
  return WhereParser(std::move(*tokens), schema).parse();
}

}  // namespace assay::lake
