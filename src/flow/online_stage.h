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
/// path may be ahead of the lake: by the first `reads` reads that its bronze table's journals hold
/// after that version (read_journal.h), of one epoch or two. While a view fills up in pieces
/// (online_pieces.h) the number is negative. Positions of one table grow with pieces, version and
/// reads.
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

/// The number of reads that a table has at a version, of all its epochs; nothing when that version
/// cannot be read any more.
Result<std::optional<int64_t>> reads_of(Workspace& workspace,
                                        lake::DeltaTable& source,
                                        lake::Version version);

/// The first version after `after` that has more than `reads` reads; nothing when there is none
/// yet.
Result<std::optional<lake::Version>> version_with_reads(Workspace& workspace,
                                                        lake::DeltaTable& source,
                                                        lake::Version after,
                                                        int64_t reads);

/// Of a project without a lake: whether a view at this encoded position is one of the table's, and
/// has all reads that the table says were made.
Result<bool> has_reads_of(Workspace& workspace, lake::DeltaTable& source, int64_t position);

/// The position that a view at `position` has by what the source table has now: epochs that it was
/// ahead by have come, or versions without rows. What is left of `reads` is of later epochs.
///
/// Nothing when that cannot be told: others changed rows meanwhile, an epoch has reads that the
/// view has not, or the log is cleaned away.
Result<std::optional<OnlinePosition>> caught_up(Workspace& workspace,
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

/// Make a view's online rows anew: what mends damaged ones. They are filled beside those that are
/// served, and take their place at the end, in one step. What was filled is taken out when that
/// fails, and what a killed try has left when the next one begins.
///
/// Errors  those of run_online_stage; kFailedPrecondition: there is no lake to make them from;
///         kResourceExhausted: no room for the view a second time.
Result<StageAccount> make_online_rows_anew(Workspace& workspace,
                                           const std::string& view,
                                           const RunOptions& options);

}  // namespace assay::flow
