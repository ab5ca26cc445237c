#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Position of a view in the online store: which table it was made from and up to which version, so
/// that another table (of a changed definition) is never taken for the same one. A view on the fast
/// path may be ahead of the lake: by the first `reads` reads that its bronze table's journal holds
/// after that version (read_journal.h). While a view fills up in pieces (online_pieces.h) the
/// number is negative. Positions of one table grow with pieces, version and reads.
///
///   whole     table number - 1 (11 bits) | version (28) | reads (24)
///   pieces  -(table number - 1 (16) | version (32) | log2 of the pieces (4) | pieces left (11))
struct OnlinePosition {
  int64_t table_number = 1;  // 1 for "silver/x", 2 for "silver/x_v2"
  lake::Version version = -1;
  int64_t reads = 0;  // 0: not ahead
  int pieces_log2 = 0;
  int64_t pieces_left = 0;  // 0: what the version holds is there
  static constexpr int64_t kReadsMax = (int64_t{1} << 24) - 1;

  static OnlinePosition decode(int64_t position);
  [[nodiscard]] int64_t encode() const;
  /// Where the store stands so many transactions later, at most.
  [[nodiscard]] OnlinePosition after(int64_t transactions) const;
};

/// How a source table stands to what a view is ahead of it by.
struct CaughtUp {
  enum class State {
    kNotYet,  // the table does not have the epoch
    kThere,   // `version` has all of it, and no other rows than the view's version and these
    kLost,    // that cannot be told: others changed rows meanwhile, or the log is cleaned away
  };
  State state = State::kNotYet;
  lake::Version version = -1;
  int64_t reads = 0;  // of the epoch: a view with less has not all of its rows
};

/// Where a source table has the epoch that a view at `position` (with reads) is ahead by.
Result<CaughtUp> caught_up(Workspace& workspace,
                           lake::DeltaTable& source,
                           const OnlinePosition& position);

/// The rows that a view takes, none of them.
Result<data::Batch> no_rows(Workspace& workspace, const gold::FeatureView& view);

/// The number at the end of a table's key.
int64_t table_number(const std::string& table_key);

/// Note in the metrics how long after their events these rows of a view could be read.
void note_freshness(World& world, const std::string& view, const data::Batch& rows);

/// Bring a view's online rows up to its source table's newest version: rows and position in one
/// transaction a time, so that a killed run goes on where the store stands. A new view takes the
/// source's versions one after the other, or, where these are compacted away, pieces of its rows.
///
/// Errors  those of the lake and the store; kCancelled when options.stop was asked for.
Result<StageAccount> run_online_stage(Workspace& workspace,
                                      const std::string& view,
                                      const RunOptions& options);

}  // namespace assay::flow
