#include "data/expression_overloads.h"

#include <limits>

#include "base/suggest.h"

namespace assay::data {
namespace {

int call_cost(const FunctionEntry& entry, std::span<const ValueKind> arguments) {
  if (entry.arguments.size() != arguments.size()) {
    return -1;
  }
  int total = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const int cost = implicit_cost(arguments[i], entry.arguments[i]);
    if (cost < 0) {
      return -1;
    }
    total += cost;
  }
  return total;
}

/// "(int64, string)".
std::string kinds_text(std::span<const ValueKind> kinds) {
  std::string text = "(";
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::string(kind_name(kinds[i]));
  }
  return text + ")";
}

Status no_function(const std::string& name) {
  std::vector<std::string> names;
  for (const FunctionEntry& entry : function_table()) {
    names.emplace_back(entry.name);
  }
  for (const SpecialForm& form : special_forms()) {
    names.emplace_back(form.name);
  }
  return {Code::kNotFound, "no function `" + name.substr(0, 80) + "`" + did_you_mean(name, names)};
}

}  // namespace

int implicit_cost(ValueKind from, ValueKind to) {
  if (from == to) {
    return 0;
  }
  if (from == ValueKind::kNull || (from == ValueKind::kInt32 && to == ValueKind::kInt64) ||
      (from == ValueKind::kFloat32 && to == ValueKind::kFloat64)) {
    return 1;
  }
  if (from == ValueKind::kDate && to == ValueKind::kTimestamp) {
    return 2;
  }
  return is_integer(from) && to == ValueKind::kFloat64 ? 3 : -1;
}

std::optional<ValueKind> common_kind(ValueKind a, ValueKind b) {
  if (implicit_cost(a, b) >= 0) {
    return b;
  }
  if (implicit_cost(b, a) >= 0) {
    return a;
  }
  if (is_number(a) && is_number(b)) {
    return ValueKind::kFloat64;
  }
  return std::nullopt;
}

Result<const FunctionEntry*> find_overload(const std::string& name,
                                           std::span<const ValueKind> arguments) {
  const FunctionEntry* best = nullptr;
  int best_cost = std::numeric_limits<int>::max();
  std::string signatures;
  for (const FunctionEntry& entry : function_table()) {
    if (entry.name != name) {
      continue;
    }
    signatures += (signatures.empty() ? " " : " or ") + kinds_text(entry.arguments);
    const int cost = call_cost(entry, arguments);
    if (cost >= 0 && cost < best_cost) {
      best = &entry;
      best_cost = cost;
    }
  }
  if (best != nullptr) {
    return best;
  }
  if (signatures.empty()) {
    return no_function(name);
  }
  return Status(
      Code::kInvalidArgument,
      "`" + name + "` does not take " + kinds_text(arguments) + ", but" + signatures + ";");
}

}  // namespace assay::data
