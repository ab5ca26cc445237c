#pragma once

#include <cstdint>
#include <string>

#include "base/log.h"
#include "base/status.h"

namespace assay::flow {

/// Tells when so many of a source's newest records are rejected that their form must have changed.
///
/// Threads one thread at a time.
class RejectGauge {
 public:
  /// `limit`: the share of rejects that may be; 1 never stops.
  RejectGauge(std::string source, std::string table, double limit);

  /// Count records.
  ///
  /// Errors  kFailedPrecondition: more than the limit of at least 1000 records were rejected; an
  ///         error is logged.
  Status add(int64_t records, int64_t rejects, Log& log);

 private:
  std::string source_;
  std::string table_;
  double limit_;
  int64_t records_ = 0;
  int64_t rejects_ = 0;
};

}  // namespace assay::flow
