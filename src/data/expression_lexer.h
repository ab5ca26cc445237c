#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "base/status.h"

namespace assay::data {

/// Longest text of an expression.
constexpr std::size_t kExpressionBytesMax = 64 * 1024;

enum class TokenKind : uint8_t {
  kEnd,
  kInteger,     // digits only
  kDecimal,     // with a point or an exponent
  kText,        // 'text', quotes taken off
  kName,        // bare
  kQuotedName,  // "name", quotes taken off
  kSymbol,      // ( ) , + - * / // % = <> < <= > >= || ::
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;        // as meant: quotes removed, != and == written <> and =
  std::size_t offset = 0;  // byte where it begins
};

/// Cut an expression into tokens, the last of kind kEnd.
///
/// Errors  kInvalidArgument: too long, not UTF-8, a text or name that does not end, a strange
/// character.
Result<std::vector<Token>> lex_expression(std::string_view text);

/// The failure "`message` at column N", N counted in characters from 1.
Status expression_error(std::string_view text, std::size_t offset, std::string message);

}  // namespace assay::data
