#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/batch.h"
#include "flow/accounts.h"
#include "flow/online_stage.h"
#include "flow/workspace.h"
#include "silver/silver_operator.h"

namespace assay::flow {

/// Why rows reach a view only when the lake has them, in words for its user; "" when they reach it
/// before: then an event is readable within milliseconds.
std::string why_not_fast(const catalog::Project& project, const std::string& view);

/// The bronze table that a view's rows come from, by way of a silver table or not.
const catalog::BronzeDef& bronze_of_view(const catalog::Project& project, const std::string& view);

/// Whether a view's rows come from topics.
bool reads_topics(const catalog::Project& project, const std::string& view);

/// Brings rows of one bronze table into online views before the lake has them, by the same
/// operators as the stages.
///
/// All rows of an epoch (the reads between two commits of the bronze table) are judged by what the
/// commit before it says and by the rows before them in their partitions, here and in silver's
/// stage, so that how the epoch was cut does not matter. Each transaction of the online store
/// carries how many reads it has beyond its version of the table, numbered over all epochs from 1.
/// Threads one thread at a time.
/// Source  docs/decisions/0080-reads-are-journaled.md, 0110-the-lake-beside-the-line.md
class FastPath {
 public:
  static Result<std::unique_ptr<FastPath>> open(Workspace& workspace, const std::string& bronze);

  /// Reads that the bronze table has, and those behind them that journals have.
  struct Reads {
    int64_t in_lake = 0;
    int64_t in_journals = 0;
  };
  /// Look where tables and views stand. Views that are not up to the lake take no part; those that
  /// are ahead of it by other reads than journals have are dropped: they cannot be made again.
  Status place(const Reads& reads);
  /// Rows of the reads that follow come behind the bronze table's newest version: judge them as the
  /// silver stage will. False where it cannot be told what that will judge by.
  Result<bool> judge_behind_table();
  /// All rows of an epoch were applied, and its commit says this.
  void judge_behind(const silver::PartFacts& facts);
  /// What silver tables are to say then, by id of the table.
  [[nodiscard]] Result<std::map<std::string, silver::PartTimes>> part_times() const;
  /// Bring the rows of a read to the views that do not have them.
  Status apply(const data::Batch& rows, int64_t read);
  /// Behind an epoch's last read, before the lake has it: views that are ahead say that they have
  /// all of its reads.
  Status end_epoch(int64_t read);
  /// The lake has moved: so do the views that take part. One that cannot is dropped, or left to the
  /// stages, and takes no part from then on.
  Status follow_lake();
  /// Drop views that are ahead of the lake by any read.
  Status drop_views_ahead();

  /// What it did to rows since the last call, which the stages do not do again.
  std::vector<StageAccount> take_accounts() { return std::exchange(accounts_, {}); }
  /// Views that were dropped since the last call; the next online stage makes them from the lake.
  std::vector<std::string> take_dropped();
  [[nodiscard]] bool has_dropped() const { return !dropped_.empty(); }
  /// Whether all views take part.
  [[nodiscard]] bool have_all_a_place() const;
  /// How many views take part.
  [[nodiscard]] int64_t views() const;
  /// Their names.
  [[nodiscard]] std::set<std::string> taking_part() const;
  /// Whether there is a view that takes no part, and may once the lake has all that was read.
  [[nodiscard]] bool has_view_to_join() const;

 private:
  struct View {
    gold::FeatureViewPtr compiled;
    bool takes_part = false;
    bool is_too_far = false;  // from the table's reads: its position could not count them
    int64_t position = 0;
    int64_t begin = 0;  // reads that the table has at the position's version
    EventTime until;
  };
  /// Views of one table, and what it takes to make that table's rows.
  struct Branch {
    std::string table;                            // silver, or the bronze table itself
    silver::SilverOperator* operation = nullptr;  // none: the bronze table's own rows
    silver::SilverState state;
    std::vector<View> views;
  };
  FastPath(Workspace& workspace, std::string bronze)
      : workspace_(workspace),
        bronze_(std::move(bronze)),
        idle_timeout_(workspace.idle_timeout(bronze_)) {}
  Result<lake::DeltaTable*> table_of(const Branch& branch);
  Status place_view(const Branch& branch, const Reads& reads, View* view);
  Status follow(const Branch& branch, lake::DeltaTable& table, View* view);
  Status drop(View* view);
  Status write(const data::Batch& rows, const OnlinePosition& at, View* view);
  Status apply_to(const data::Batch& rows, int64_t read, View* view);
  Status apply_branch(const data::Batch& rows, int64_t read, Branch* branch);
  Status account(std::string stage, std::string name, const data::Account& rows);

  Workspace& workspace_;
  std::string bronze_;
  Duration idle_timeout_;  // of its topics
  std::vector<Branch> branches_;
  std::vector<std::string> dropped_;
  std::vector<StageAccount> accounts_;
};

}  // namespace assay::flow
