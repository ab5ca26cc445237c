#include "data/reject.h"

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
  }
  return "malformed";
}

}  // namespace assay::data
