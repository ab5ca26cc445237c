#pragma once

#include <memory>
#include <string_view>

#include "data/expression_parser.h"
#include "data/expression_program.h"

namespace assay::data {

/// Find the columns and functions that a parsed expression names, check its types, put in the casts
/// that go without saying (int32 to int64, numbers to float64, date to timestamp), and make its
/// steps.
///
/// Errors  kInvalidArgument: as Expression::compile.
Result<std::shared_ptr<const Expression::Program>> bind_expression(const SyntaxNode& root,
                                                                   std::string_view text,
                                                                   const Schema& schema);

}  // namespace assay::data
