#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/expression_kind.h"

namespace assay::data {

/// Deepest nesting of parentheses, and longest chain of operators, in an expression.
constexpr int kExpressionNestingMax = 200;
constexpr int kExpressionChainMax = 500;

enum class SyntaxKind : uint8_t {
  kLiteral,  // value in `literal`
  kColumn,   // name in `text`
  kCall,     // function or operator `text` of the children; operators as "+", "and", "not", "like"
  kCast,     // child to the type called `text`
  kCase,     // children: condition, value, condition, value, ..., else (always present)
  kCaseOf,   // first child: what is compared; then as kCase
  kIn,       // first child in the others
  kBetween,  // child, low, high
  kIsNull,   // one child
};

struct Literal {
  ValueKind kind = ValueKind::kNull;
  int64_t integer = 0;  // kInt64, kBool, kDate, kTimestamp, kInterval
  double number = 0;    // kFloat64
  std::string text;     // kString
};

/// An expression as written, before names and types are known.
struct SyntaxNode {
  SyntaxKind kind = SyntaxKind::kLiteral;
  std::size_t offset = 0;  // byte of the text that errors point at
  int height = 1;
  std::string text;
  Literal literal;
  std::vector<SyntaxNode> children;
};

/// Parse by precedence climbing. From loose to tight: OR, AND, NOT, IS, comparisons, IN BETWEEN
/// LIKE, ||,
/// + -, * / // %, unary minus, ::.
///
/// Errors  kInvalidArgument: what lex_expression refuses, syntax, nesting beyond the limits.
Result<SyntaxNode> parse_expression(std::string_view text);

/// Microseconds of "10 minutes", "1 day 2 hours".
///
/// Errors  kInvalidArgument: an unknown unit, months and years (they have no fixed length), no
/// number.
Result<int64_t> parse_interval(std::string_view text);

}  // namespace assay::data
