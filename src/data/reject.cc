#include "data/reject.h"

#include <algorithm>

namespace assay::data {

std::string_view reason_name(RejectReason reason) {
  switch (reason) {
    case RejectReason::kMalformed:
      return "malformed";
    case RejectReason::kInvalidUtf8:
      return "invalid_utf8";
    case RejectReason::kTooLarge:
      return "too_large";
    case RejectReason::kWrongType:
      return "wrong_type";
    case RejectReason::kMissingRequired:
      return "missing_required";
    case RejectReason::kBadEventTime:
      return "bad_event_time";
    case RejectReason::kFutureEventTime:
      return "future_event_time";
    case RejectReason::kOutOfRange:
      return "out_of_range";
    case RejectReason::kCheckFailed:
      return "check_failed";
    case RejectReason::kEnrichmentFailed:
      return "enrichment_failed";
    case RejectReason::kUnknownSchema:
      return "unknown_schema";
    case RejectReason::kUnsupported:
      return "unsupported";
    case RejectReason::kFutureKnownTime:
      return "future_known_time";
  }
  return "malformed";
}

void sort_by_row(Rejects* rejects) {
  std::stable_sort(rejects->begin(), rejects->end(), [](const Reject& a, const Reject& b) {
    return a.row < b.row;
  });
}

}  // namespace assay::data
