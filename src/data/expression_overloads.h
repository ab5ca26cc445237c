#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/expression_functions.h"

namespace assay::data {

/// Cost of a cast that goes without saying, 0 for the same kind; -1 when there is none.
int implicit_cost(ValueKind from, ValueKind to);

/// The kind that both become without saying so: two numbers, a date and a timestamp, null and
/// anything.
std::optional<ValueKind> common_kind(ValueKind a, ValueKind b);

/// The signature of a function that takes these arguments with the cheapest casts, the first of
/// equals.
///
/// Errors  kNotFound: no function of this name; kInvalidArgument: none of its signatures fits. The
///         messages name the nearest function and the signatures, but no column.
Result<const FunctionEntry*> find_overload(const std::string& name,
                                           std::span<const ValueKind> arguments);

}  // namespace assay::data
