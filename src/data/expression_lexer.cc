#include "data/expression_lexer.h"

#include <algorithm>
#include <array>

#include "data/utf8.h"

namespace assay::data {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool continues_name(char c) {
  return starts_name(c) || is_digit(c);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> tokens;
    while (true) {
      while (at_ < text_.size() && is_space(text_[at_])) {
        ++at_;
      }
      if (at_ == text_.size()) {
        tokens.push_back({TokenKind::kEnd, "", at_});
        return tokens;
      }
      ASSAY_ASSIGN_OR_RETURN(Token token, next());
      tokens.push_back(std::move(token));
    }
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  [[nodiscard]] char peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Result<Token> next() {
    const char c = text_[at_];
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      return number();
    }
    if (c == '\'') {
      return quoted(TokenKind::kText, "a text");
    }
    if (c == '"') {
      return quoted(TokenKind::kQuotedName, "a quoted name");
    }
    if (starts_name(c)) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && continues_name(text_[at_])) {
        ++at_;
      }
      return Token{TokenKind::kName, std::string(text_.substr(begin, at_ - begin)), begin};
    }
    return symbol();
  }

  Result<Token> number() {
    const std::size_t begin = at_;
    bool decimal = false;
    skip_digits();
    if (peek(0) == '.') {
      decimal = true;
      ++at_;
      skip_digits();
    }
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
    if ((peek(0) == 'e' || peek(0) == 'E') && is_digit(peek(sign))) {
      decimal = true;
      at_ += sign;
      skip_digits();
    }
    if (continues_name(peek(0)) || peek(0) == '.') {
      return expression_error(text_, at_, "a number runs into other characters");
    }
    return Token{decimal ? TokenKind::kDecimal : TokenKind::kInteger,
                 std::string(text_.substr(begin, at_ - begin)),
                 begin};
  }

  void skip_digits() {
    while (is_digit(peek(0))) {
      ++at_;
    }
  }

  /// A doubled quote stands for one.
  Result<Token> quoted(TokenKind kind, std::string_view what) {
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    std::string value;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c != quote) {
        value.push_back(c);
      } else if (peek(0) == quote) {
        value.push_back(quote);
        ++at_;
      } else {
        return Token{kind, std::move(value), begin};
      }
    }
    return expression_error(text_, begin, std::string(what) + " has no closing quote; it begins");
  }

  Result<Token> symbol() {
    struct Spelling {
      std::string_view written;
      std::string_view meant;
    };
    static constexpr std::array<Spelling, 19> kSymbols = {{
        {"//", "//"}, {"||", "||"}, {"::", "::"}, {"<>", "<>"}, {"!=", "<>"},
        {"==", "="},  {"<=", "<="}, {">=", ">="}, {"(", "("},   {")", ")"},
        {",", ","},   {"+", "+"},   {"-", "-"},   {"*", "*"},   {"/", "/"},
        {"%", "%"},   {"=", "="},   {"<", "<"},   {">", ">"},
    }};
    const std::string_view rest = text_.substr(at_);
    if (rest.substr(0, 2) == "--" || rest.substr(0, 2) == "/*") {
      return expression_error(
          text_, at_, "comments are not part of an expression (write - -x for two minus signs)");
    }
    for (const Spelling& symbol : kSymbols) {
      if (rest.substr(0, symbol.written.size()) == symbol.written) {
        const std::size_t begin = at_;
        at_ += symbol.written.size();
        return Token{TokenKind::kSymbol, std::string(symbol.meant), begin};
      }
    }
    const char c = text_[at_];
    const bool printable = c > ' ' && c < 0x7f;
    return expression_error(text_,
                            at_,
                            printable ? std::string("unexpected character `") + c + "`"
                                      : "unexpected control character");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<Token>> lex_expression(std::string_view text) {
  if (text.size() > kExpressionBytesMax) {
    return Status(Code::kInvalidArgument,
                  "an expression may have at most 65536 bytes, this one has " +
                      std::to_string(text.size()) + "; at column 1");
  }
  if (!is_utf8(text)) {
    return Status(Code::kInvalidArgument, "an expression must be UTF-8, at column 1");
  }
  return Lexer(text).run();
}

Status expression_error(std::string_view text, std::size_t offset, std::string message) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  const std::string_view before = text.substr(0, offset);
  const auto characters = static_cast<std::int64_t>(before.size()) -
                          std::count_if(before.begin(), before.end(), continues);
  return {Code::kInvalidArgument,
          std::move(message) + " at column " + std::to_string(characters + 1)};
}

}  // namespace assay::data
