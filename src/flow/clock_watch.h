#pragma once

#include <optional>
#include <string>

#include "base/metrics.h"
#include "base/time.h"
#include "base/world.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Tells, by an error in the log and a metric, that the machine's clock was set while records of a
/// table were read: their times of reading are taken from it.
///
/// Threads one thread at a time.
class ClockWatch {
 public:
  ClockWatch(World& world, std::string table);
  /// Before records are taken.
  void look();

 private:
  World& world_;
  std::string table_;
  Counter& jumps_;
  EventTime now_;
  std::optional<int64_t> ahead_;  // wall clock less the one that never goes back, at the last look
};

/// Tell, by an error in the log, of rows of a bronze table that no answer may have yet, though they
/// were read: the clock that says their known times was ahead.
Status tell_of_rows_not_known_yet(Workspace& workspace,
                                  const catalog::BronzeDef& bronze,
                                  const std::string& key);

}  // namespace assay::flow
