#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::data {

/// Why a row went to quarantine. Names are written to disk; never renumber or rename.
enum class RejectReason : uint8_t {
  kMalformed,  // the line is not a record of its format
  kInvalidUtf8,
  kTooLarge,         // the record is longer than the limit
  kWrongType,        // a value cannot be read as the column's declared type
  kMissingRequired,  // a column declared with ! is absent or null
  kBadEventTime,     // no event time, or outside years 0001 to 9999
  kFutureEventTime,  // event time beyond the time of reading by more than the limit
  kOutOfRange,
  kCheckFailed,  // a declared check; the column of the reject names it
  kEnrichmentFailed,
  kUnknownSchema,    // the schema registry has no schema of the record's number
  kUnsupported,      // of its format, and of a kind that no row can stand for
  kFutureKnownTime,  // known time beyond the time of reading by more than the limit
};

/// "malformed", "invalid_utf8", ...
std::string_view reason_name(RejectReason reason);

/// One bad row. No message is built per row: reason and column say it.
struct Reject {
  int64_t row = 0;  // row number in the batch it was found in
  RejectReason reason = RejectReason::kMalformed;
  std::string column;  // column or check it was found at; may be empty
};

using Rejects = std::vector<Reject>;

/// In order of their rows; those of one row stay in order.
void sort_by_row(Rejects* rejects);

}  // namespace assay::data
