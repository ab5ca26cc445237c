#include "data/expression_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/time.h"
#include "data/expression_lexer.h"

namespace assay::data {
namespace {

// Binding strength of operators, loose to tight; the grammar is PostgreSQL's, which DuckDB uses
// too.
enum Strength : int {
  kLoosest = 0,
  kOr = 1,
  kAnd = 2,
  kNot = 3,
  kIs = 4,
  kCompare = 5,
  kBetweenLike = 6,
  kConcat = 7,
  kAdd = 8,
  kMultiply = 9,
  kUnaryMinus = 10,
  kCastSuffix = 11,
};

constexpr std::array<std::string_view, 16> kReserved = {"and",
                                                        "or",
                                                        "not",
                                                        "is",
                                                        "in",
                                                        "between",
                                                        "like",
                                                        "case",
                                                        "when",
                                                        "then",
                                                        "else",
                                                        "end",
                                                        "cast",
                                                        "try_cast",
                                                        "null",
                                                        "true"};

bool is_reserved(std::string_view lower) {
  return lower == "false" ||
         std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end();
}

struct InfixOperator {
  std::string_view name;
  int strength;
};
constexpr std::array<InfixOperator, 12> kInfixSymbols = {{{"=", kCompare},
                                                          {"<>", kCompare},
                                                          {"<", kCompare},
                                                          {"<=", kCompare},
                                                          {">", kCompare},
                                                          {">=", kCompare},
                                                          {"||", kConcat},
                                                          {"+", kAdd},
                                                          {"-", kAdd},
                                                          {"*", kMultiply},
                                                          {"/", kMultiply},
                                                          {"%", kMultiply}}};

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<SyntaxNode> run() {
    if (peek().kind == TokenKind::kEnd) {
      return fail(peek(), "an expression is empty");
    }
    ASSAY_ASSIGN_OR_RETURN(SyntaxNode node, expression(kLoosest));
    if (peek().kind != TokenKind::kEnd) {
      return fail(peek(), "expected an operator or the end, found " + shown(peek()));
    }
    return node;
  }

 private:
  // --- tokens

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    at_ = std::min(at_ + 1, tokens_.size() - 1);
    return token;
  }
  [[nodiscard]] bool is_symbol(std::string_view symbol, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kSymbol && peek(ahead).text == symbol;
  }
  [[nodiscard]] bool is_word(std::string_view word, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kName && lower_ascii(peek(ahead).text) == word;
  }
  bool accept_symbol(std::string_view symbol) {
    if (!is_symbol(symbol)) {
      return false;
    }
    take();
    return true;
  }
  bool accept_word(std::string_view word) {
    if (!is_word(word)) {
      return false;
    }
    take();
    return true;
  }
  Status expect_symbol(std::string_view symbol, std::string_view after) {
    if (accept_symbol(symbol)) {
      return {};
    }
    return fail(peek(),
                "expected `" + std::string(symbol) + "` " + std::string(after) + ", found " +
                    shown(peek()));
  }
  Status expect_word(std::string_view word, std::string_view after) {
    if (accept_word(word)) {
      return {};
    }
    return fail(
        peek(),
        "expected " + std::string(word) + " " + std::string(after) + ", found " + shown(peek()));
  }
  static std::string shown(const Token& token) {
    constexpr std::size_t kShownMax = 40;
    if (token.kind == TokenKind::kEnd) {
      return "the end";
    }
    std::string text = token.text.size() > kShownMax ? "a long token" : "`" + token.text + "`";
    return token.kind == TokenKind::kText ? "the text " + text : text;
  }
  [[nodiscard]] Status fail(const Token& token, std::string message) const {
    return expression_error(text_, token.offset, std::move(message));
  }

  // --- nodes

  Result<SyntaxNode> node(SyntaxKind kind,
                          const Token& token,
                          std::string text,
                          std::vector<SyntaxNode> children) const {
    SyntaxNode made;
    made.kind = kind;
    made.offset = token.offset;
    made.text = std::move(text);
    for (const SyntaxNode& child : children) {
      made.height = std::max(made.height, child.height + 1);
    }
    made.children = std::move(children);
    if (made.height > kExpressionChainMax) {
      return fail(token, "an expression may chain at most 500 operators");
    }
    return made;
  }
  Result<SyntaxNode> call(const Token& token,
                          std::string name,
                          SyntaxNode left,
                          SyntaxNode right) const {
    std::vector<SyntaxNode> children;
    children.push_back(std::move(left));
    children.push_back(std::move(right));
    return node(SyntaxKind::kCall, token, std::move(name), std::move(children));
  }
  Result<SyntaxNode> wrap(SyntaxKind kind,
                          const Token& token,
                          std::string name,
                          SyntaxNode child) const {
    std::vector<SyntaxNode> children;
    children.push_back(std::move(child));
    return node(kind, token, std::move(name), std::move(children));
  }
  static SyntaxNode literal_node(const Token& token, Literal literal) {
    SyntaxNode made;
    made.kind = SyntaxKind::kLiteral;
    made.offset = token.offset;
    made.literal = std::move(literal);
    return made;
  }

  // --- operators

  Result<SyntaxNode> expression(int loosest) {
    if (++nesting_ > kExpressionNestingMax) {
      return fail(peek(), "an expression may nest at most 200 levels deep");
    }
    ASSAY_ASSIGN_OR_RETURN(SyntaxNode left, prefix());
    int last = kCastSuffix + 1;  // strength of the operator just applied
    while (true) {
      const int strength = infix_strength();
      if (strength <= loosest) {
        break;
      }
      if (strength == last && (strength == kCompare || strength == kBetweenLike)) {
        return fail(peek(),
                    "comparisons do not chain, join them with AND or use parentheses; found " +
                        shown(peek()));
      }
      ASSAY_ASSIGN_OR_RETURN(left, infix(std::move(left), strength));
      last = strength;
    }
    --nesting_;
    return left;
  }

  /// How tightly the token ahead binds as an infix or suffix operator; kLoosest when it is none.
  [[nodiscard]] int infix_strength() const {
    const Token& token = peek();
    if (token.kind == TokenKind::kSymbol) {
      if (token.text == "::") {
        return kCastSuffix;
      }
      if (token.text == "//") {
        return kMultiply;
      }
      for (const InfixOperator& candidate : kInfixSymbols) {
        if (candidate.name == token.text) {
          return candidate.strength;
        }
      }
      return kLoosest;
    }
    if (token.kind != TokenKind::kName) {
      return kLoosest;
    }
    const std::string word = lower_ascii(token.text);
    if (word == "or") {
      return kOr;
    }
    if (word == "and") {
      return kAnd;
    }
    if (word == "is") {
      return kIs;
    }
    if (word == "at") {
      return kCastSuffix;
    }
    const bool negated =
        word == "not" && (is_word("in", 1) || is_word("between", 1) || is_word("like", 1));
    const bool set_or_range =
        word == "in" || word == "between" || word == "like" || word == "ilike";
    return negated || set_or_range ? static_cast<int>(kBetweenLike) : static_cast<int>(kLoosest);
  }

  Result<SyntaxNode> infix(SyntaxNode left, int strength) {
    const Token token = take();
    switch (strength) {
      case kIs:
        return is_null(token, std::move(left));
      case kBetweenLike:
        return between_like(token, std::move(left));
      case kCastSuffix:
        if (token.text != "::") {
          return fail(
              token,
              "AT TIME ZONE is not supported: all times are UTC; add or subtract an INTERVAL");
        }
        break;
      default: {
        ASSAY_ASSIGN_OR_RETURN(SyntaxNode right, expression(strength));
        return call(token, lower_ascii(token.text), std::move(left), std::move(right));
      }
    }
    ASSAY_ASSIGN_OR_RETURN(std::string type, type_words());
    return wrap(SyntaxKind::kCast, token, std::move(type), std::move(left));
  }

  Result<SyntaxNode> is_null(const Token& token, SyntaxNode left) {
    const bool negated = accept_word("not");
    ASSAY_RETURN_IF_ERROR(expect_word("null", negated ? "after IS NOT" : "after IS"));
    ASSAY_ASSIGN_OR_RETURN(SyntaxNode test, wrap(SyntaxKind::kIsNull, token, "", std::move(left)));
    return negated ? wrap(SyntaxKind::kCall, token, "not", std::move(test))
                   : Result<SyntaxNode>(std::move(test));
  }

  Result<SyntaxNode> between_like(Token token, SyntaxNode left) {
    const bool negated = lower_ascii(token.text) == "not";
    if (negated) {
      token = take();
    }
    const std::string word = lower_ascii(token.text);
    std::vector<SyntaxNode> children;
    children.push_back(std::move(left));
    SyntaxKind kind = SyntaxKind::kCall;
    if (word == "in") {
      kind = SyntaxKind::kIn;
      ASSAY_RETURN_IF_ERROR(expect_symbol("(", "after IN"));
      ASSAY_RETURN_IF_ERROR(list_until_close(children));
    } else if (word == "between") {
      kind = SyntaxKind::kBetween;
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode low, expression(kBetweenLike));
      ASSAY_RETURN_IF_ERROR(expect_word("and", "between the bounds of BETWEEN"));
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode high, expression(kBetweenLike));
      children.push_back(std::move(low));
      children.push_back(std::move(high));
    } else if (word == "like") {
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode pattern, expression(kBetweenLike));
      children.push_back(std::move(pattern));
      if (is_word("escape")) {
        return fail(peek(), "LIKE ... ESCAPE is not supported, use regexp_matches");
      }
    } else {
      return fail(token, "ILIKE is not supported, write lower(x) LIKE 'pattern'");
    }
    ASSAY_ASSIGN_OR_RETURN(SyntaxNode made, node(kind, token, word, std::move(children)));
    return negated ? wrap(SyntaxKind::kCall, token, "not", std::move(made))
                   : Result<SyntaxNode>(std::move(made));
  }

  // --- operands

  Result<SyntaxNode> prefix() {
    const Token token = peek();
    if (is_word("not")) {
      take();
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode child, expression(kNot));
      return wrap(SyntaxKind::kCall, token, "not", std::move(child));
    }
    if (accept_symbol("+")) {
      return expression(kUnaryMinus);
    }
    if (accept_symbol("-")) {
      const bool number = peek().kind == TokenKind::kInteger || peek().kind == TokenKind::kDecimal;
      if (number && !is_symbol("::", 1)) {
        return number_literal(token, take(), "-");
      }
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode child, expression(kUnaryMinus));
      return wrap(SyntaxKind::kCall, token, "-", std::move(child));
    }
    return operand();
  }

  Result<SyntaxNode> operand() {
    const Token token = take();
    switch (token.kind) {
      case TokenKind::kInteger:
      case TokenKind::kDecimal:
        return number_literal(token, token, "");
      case TokenKind::kText:
        return literal_node(token, {ValueKind::kString, 0, 0, token.text});
      case TokenKind::kQuotedName:
        return column(token);
      case TokenKind::kName:
        return named(token);
      case TokenKind::kSymbol:
        if (token.text == "(") {
          ASSAY_ASSIGN_OR_RETURN(SyntaxNode inner, expression(kLoosest));
          ASSAY_RETURN_IF_ERROR(expect_symbol(")", "to close a parenthesis"));
          return inner;
        }
        break;
      case TokenKind::kEnd:
        break;
    }
    return fail(token, "expected a value, found " + shown(token));
  }

  Result<SyntaxNode> number_literal(const Token& at,
                                    const Token& digits,
                                    const std::string& sign) const {
    const std::string text = sign + digits.text;
    Literal literal;
    if (digits.kind == TokenKind::kInteger) {
      literal.kind = ValueKind::kInt64;
      const auto [end, error] =
          std::from_chars(text.data(), text.data() + text.size(), literal.integer);
      if (error != std::errc() || end != text.data() + text.size()) {
        return fail(at,
                    "an integer is beyond 64 bits, write it with .0 for a floating-point number;");
      }
      return literal_node(at, literal);
    }
    literal.kind = ValueKind::kFloat64;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), literal.number);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fail(at, "a number is beyond the range of float64");
    }
    return literal_node(at, literal);
  }

  Result<SyntaxNode> column(const Token& token) const {
    return node(SyntaxKind::kColumn, token, token.text, {});
  }

  /// A keyword's construct, a function call, a typed literal or a column.
  Result<SyntaxNode> named(const Token& token) {
    const std::string word = lower_ascii(token.text);
    if (word == "null") {
      return literal_node(token, {});
    }
    if (word == "true" || word == "false") {
      return literal_node(token, {ValueKind::kBool, word == "true" ? 1 : 0, 0, ""});
    }
    if (word == "case") {
      return case_when(token);
    }
    if (word == "cast" || word == "try_cast") {
      return cast();
    }
    if (is_reserved(word)) {
      return fail(token,
                  "expected a value, found " + shown(token) +
                      " (a column of this name needs double quotes)");
    }
    if (word == "interval" &&
        (peek().kind == TokenKind::kText || peek().kind == TokenKind::kInteger ||
         (is_symbol("-") && peek(1).kind == TokenKind::kInteger))) {
      return interval(token);
    }
    const bool time_word = word == "date" || word == "timestamp" || word == "timestamptz";
    if (time_word && peek().kind == TokenKind::kText) {
      return time_literal(token, word == "date");
    }
    if (!accept_symbol("(")) {
      return column(token);
    }
    std::vector<SyntaxNode> arguments;
    if (!accept_symbol(")")) {
      ASSAY_RETURN_IF_ERROR(list_until_close(arguments));
    }
    ASSAY_ASSIGN_OR_RETURN(SyntaxNode made,
                           node(SyntaxKind::kCall, token, word, std::move(arguments)));
    return made;
  }

  /// Expressions with commas between them, up to and with ")".
  Status list_until_close(std::vector<SyntaxNode>& items) {
    while (true) {
      Result<SyntaxNode> item = expression(kLoosest);
      if (!item.ok()) {
        return std::move(item).status();
      }
      items.push_back(std::move(item).value());
      if (accept_symbol(",")) {
        continue;
      }
      return expect_symbol(")", "or a comma in a list");
    }
  }

  Result<SyntaxNode> case_when(const Token& token) {
    std::vector<SyntaxNode> children;
    const bool of_value = !is_word("when");
    if (of_value) {
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode value, expression(kLoosest));
      children.push_back(std::move(value));
    }
    do {
      ASSAY_RETURN_IF_ERROR(expect_word("when", "in CASE"));
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode condition, expression(kLoosest));
      ASSAY_RETURN_IF_ERROR(expect_word("then", "after WHEN"));
      ASSAY_ASSIGN_OR_RETURN(SyntaxNode value, expression(kLoosest));
      children.push_back(std::move(condition));
      children.push_back(std::move(value));
    } while (is_word("when"));
    SyntaxNode otherwise = literal_node(token, {});
    if (accept_word("else")) {
      ASSAY_ASSIGN_OR_RETURN(otherwise, expression(kLoosest));
    }
    children.push_back(std::move(otherwise));
    ASSAY_RETURN_IF_ERROR(expect_word("end", "to close CASE"));
    return node(of_value ? SyntaxKind::kCaseOf : SyntaxKind::kCase, token, "", std::move(children));
  }

  Result<SyntaxNode> cast() {
    ASSAY_RETURN_IF_ERROR(expect_symbol("(", "after CAST"));
    ASSAY_ASSIGN_OR_RETURN(SyntaxNode child, expression(kLoosest));
    ASSAY_RETURN_IF_ERROR(expect_word("as", "in CAST"));
    const Token type_token = peek();
    ASSAY_ASSIGN_OR_RETURN(std::string type, type_words());
    ASSAY_RETURN_IF_ERROR(expect_symbol(")", "to close CAST"));
    return wrap(SyntaxKind::kCast, type_token, std::move(type), std::move(child));
  }

  /// A type's name; two of them have several words.
  Result<std::string> type_words() {
    const Token token = take();
    if (token.kind != TokenKind::kName) {
      return fail(token, "expected the name of a type, found " + shown(token));
    }
    std::string type = lower_ascii(token.text);
    if (type == "double" && accept_word("precision")) {
      return type + " precision";
    }
    if (type == "timestamp" && is_word("with") && is_word("time", 1) && is_word("zone", 2)) {
      at_ += 3;
      return type + " with time zone";
    }
    if (is_symbol("(")) {
      return fail(peek(), "types have no length or precision here, found `(`");
    }
    return type;
  }

  /// INTERVAL '10 minutes', INTERVAL '10' MINUTE, INTERVAL 10 MINUTE, INTERVAL -10 MINUTE.
  Result<SyntaxNode> interval(const Token& token) {
    std::string text = accept_symbol("-") ? "-" : "";
    const bool bare_number = peek().kind == TokenKind::kInteger;
    text += take().text;
    const bool only_number =
        !text.empty() && text.find_first_not_of("-0123456789 ") == std::string::npos;
    if (bare_number || only_number) {
      if (peek().kind != TokenKind::kName) {
        return fail(peek(), "expected a unit after INTERVAL " + text + ", found " + shown(peek()));
      }
      text += " " + take().text;
    }
    const Result<int64_t> micros = parse_interval(text);
    if (!micros.ok()) {
      return fail(token, micros.status().message());
    }
    return literal_node(token, {ValueKind::kInterval, *micros, 0, ""});
  }

  Result<SyntaxNode> time_literal(const Token& token, bool date) {
    const Token text = take();
    EventTime time;
    if (!try_parse_time(text.text, &time)) {
      return fail(text, "expected a time such as '2024-01-31 10:00:00', found " + shown(text));
    }
    if (!date) {
      return literal_node(token, {ValueKind::kTimestamp, time.micros, 0, ""});
    }
    if (floor_to(time.micros, kMicrosPerDay) != time.micros) {
      return fail(text, "a DATE has no time of day, found " + shown(text));
    }
    return literal_node(token, {ValueKind::kDate, time.micros / kMicrosPerDay, 0, ""});
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

Result<SyntaxNode> parse_expression(std::string_view text) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<Token> tokens, lex_expression(text));
  return Parser(text, std::move(tokens)).run();
}

}  // namespace assay::data
