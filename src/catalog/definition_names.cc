#include "catalog/definition_names.h"

namespace assay::catalog {

std::string_view aggregate_name(Aggregate aggregate) {
  switch (aggregate) {
    case Aggregate::kCount:
      return "count";
    case Aggregate::kSum:
      return "sum";
    case Aggregate::kMean:
      return "mean";
    case Aggregate::kMin:
      return "min";
    case Aggregate::kMax:
      return "max";
  }
  return "";
}

std::string_view check_kind_name(CheckKind kind) {
  switch (kind) {
    case CheckKind::kNotNull:
      return "not_null";
    case CheckKind::kRange:
      return "range";
    case CheckKind::kInSet:
      return "in_set";
    case CheckKind::kRegex:
      return "regex";
    case CheckKind::kUnique:
      return "unique";
    case CheckKind::kType:
      return "type";
    case CheckKind::kFreshness:
      return "freshness";
    case CheckKind::kRowCount:
      return "row_count";
    case CheckKind::kExpr:
      return "expr";
  }
  return "";
}

std::string_view on_fail_name(OnFail on_fail) {
  switch (on_fail) {
    case OnFail::kQuarantine:
      return "quarantine";
    case OnFail::kDrop:
      return "drop";
    case OnFail::kWarn:
      return "warn";
    case OnFail::kFail:
      return "fail";
  }
  return "";
}

}  // namespace assay::catalog
