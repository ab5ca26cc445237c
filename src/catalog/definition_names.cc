#include "catalog/definition_names.h"

#include "catalog/aggregates.h"

namespace assay::catalog {

std::string_view sequence_key(SequenceValue value) {
  switch (value) {
    case SequenceValue::kChanges:
      return "changes";
    case SequenceValue::kPrevious:
      return "previous";
    case SequenceValue::kChangedAt:
      return "changed_at";
    case SequenceValue::kLag:
      return "lag";
    default:
      return "of";
  }
}

std::string_view session_word(SequenceValue value) {
  switch (value) {
    case SequenceValue::kSessionCount:
      return "count";
    case SequenceValue::kSessionEvents:
      return "events";
    case SequenceValue::kSessionDuration:
      return "duration";
    case SequenceValue::kSessionMeanEvents:
      return "mean_events";
    case SequenceValue::kSessionOpen:
      return "open";
    case SequenceValue::kSessionStart:
      return "start";
    case SequenceValue::kSessionFirst:
      return "first";
    case SequenceValue::kSessionLast:
      return "last";
    default:
      return "";
  }
}

std::string_view aggregate_name(Aggregate aggregate) {
  return aggregate_info(aggregate).name;
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
