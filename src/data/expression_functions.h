#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/expression_program.h"

namespace assay::data {

/// One signature of a function or operator. This table is all there is to a function: the type
/// checker, the evaluator and docs/reference/expressions.md read it.
struct FunctionEntry {
  std::string_view name;
  std::vector<ValueKind> arguments;
  ValueKind result = ValueKind::kNull;
  Kernel kernel = nullptr;
  NullRule nulls = NullRule::kStrict;
  std::string_view help;  // at the first signature of a name; empty at the others
  /// The argument at this place is a text literal, read once by `prepare` and not passed to the
  /// kernel.
  int literal_argument = -1;
  Result<StepStatePtr> (*prepare)(const std::string& literal) = nullptr;
};

/// All signatures, those of one name side by side, in the order of the reference page.
const std::vector<FunctionEntry>& function_table();

/// Parts of the table.
std::vector<FunctionEntry> number_functions();
std::vector<FunctionEntry> text_functions();
std::vector<FunctionEntry> time_functions();
std::vector<FunctionEntry> vector_functions();

/// Constructs with rules of their own, which the type checker knows by name.
struct SpecialForm {
  std::string_view name;
  std::string_view usage;
  std::string_view help;
};
std::span<const SpecialForm> special_forms();

/// The page docs/reference/expressions.md.
std::string expression_reference();

}  // namespace assay::data
