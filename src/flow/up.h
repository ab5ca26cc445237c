#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/time.h"
#include "flow/run.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// How a line works that runs without end; none of it changes a value.
struct UpOptions {
  RunOptions run;  // run.stop ends it: what was taken is committed first
  Duration flush_every{60 * kMicrosPerSecond};       // the lake is written this often
  std::size_t flush_bytes = std::size_t{256} << 20;  // or when this much of one table is pending
  Duration poll_every{2 * kMicrosPerSecond};         // sources of files are looked at this often
  Duration look_every{10 * kMicrosPerSecond};        // topics are looked at for new partitions
  /// When brokers, the lake or the online store are away: tried again after this long, then twice
  /// as long each time, up to the second.
  Duration retry_first{1 * kMicrosPerSecond};
  Duration retry_max{30 * kMicrosPerSecond};
  /// Of several processes: a partition that has records, and of which nothing was taken for so
  /// long, is one that nobody reads.
  Duration unread_after{30 * kMicrosPerSecond};
  /// Called once, when what files and tables held at the start is served.
  std::function<Status()> ready;
  /// Called after each time the lake was written, with all that was done so far; may be empty.
  std::function<void(const RunReport&)> flushed;
};

/// Let `work` run a line until it ends, as a run of the catalog with its accounts; that it was
/// stopped while it began is no failure.
Result<RunReport> report_up(Workspace& workspace,
                            const std::string& name,
                            const std::function<Status(RunReport*)>& work);

/// Run the line without end: sources are read as they grow, and every stage follows.
///
/// What is away for a while does not end it: it waits, says so once, and goes on where the tables
/// stand. Only before anything was ever read or served is that a failure.
/// Errors  as run_all(); a source whose records have another form than declared stops it. After any
///         end, also a kill, the next `assay up` or `assay run` goes on where the tables stand.
Result<RunReport> run_up(Workspace& workspace, const UpOptions& options);

}  // namespace assay::flow
