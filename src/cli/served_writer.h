#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "cli/command.h"
#include "serve/served_log.h"
#include "serve/serving_state.h"

namespace assay::cli {

/// --log-share, of servers.
Flag log_share_flag();
/// The log that it asks for; nullptr without.
///
/// Errors  kInvalidArgument: it is no share, the project has no lake, or a service cannot be logged
///         (served_schema).
Result<std::unique_ptr<serve::ServedLog>> served_log(Invocation& invocation,
                                                     const serve::ServingState& state);

/// Writes what was served to tables of the lake, a commit a minute, sooner when much waits, and
/// what is left at the end.
///
/// Rows that cannot be written now (the disk is full, the store is away) are kept, as many as there
/// is room for, and tried again a minute later, those of the same service behind them; rows of
/// other services are written meanwhile. Rows of which it is not known
/// whether they were written are not written again, and those that no try would write are dropped:
/// `assay_serve_log_lost_rows_total` counts them.
/// Threads one thread at a time.
/// Cost    at most twice the log's bytes_max, and what is kept.
class ServedWriter {
 public:
  static constexpr int64_t kRowsMax = 50'000;
  using Append = std::function<Status(const serve::ServedBatch& batch)>;

  /// All must outlive this object.
  ServedWriter(World& world,
               serve::ServedLog& log,
               Append append,
               std::size_t kept_bytes_max = std::size_t{64} << 20);

  /// Write when it is time to.
  void look();
  /// Write now, for the last time: what cannot be written is lost.
  void finish();

 private:
  void write();
  void write(std::vector<serve::ServedBatch> batches);
  std::vector<serve::ServedBatch> take();
  void keep(serve::ServedBatch batch);
  void drop(const serve::ServedBatch& batch, const Status& why);

  World& world_;
  serve::ServedLog& log_;
  const Append append_;
  const std::size_t kept_bytes_max_;
  Counter& lost_;
  Duration tried_;
  std::vector<serve::ServedBatch> kept_;  // taken from the log, not written
};

}  // namespace assay::cli
