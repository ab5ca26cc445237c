#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "flow/workspace.h"
#include "silver/silver_operator.h"

namespace assay::flow {

/// Why rows reach a view only when the lake has them, in words for its user; "" when they reach it
/// before: then an event is readable within milliseconds.
std::string why_not_fast(const catalog::Project& project, const std::string& view);

/// Whether a view's rows come from topics.
bool reads_topics(const catalog::Project& project, const std::string& view);

/// Brings rows of one bronze table into online views before the lake has them, by the same
/// operators as the stages.
///
/// All rows of an epoch (the reads between two commits of the bronze table) are judged by the times
/// of the commit before it, here and in silver's stage, so that how the epoch was cut does not
/// matter. Each transaction of the online store carries how many of the epoch's reads it has.
/// Threads one thread at a time.
/// Source  docs/decisions/0080-reads-are-journaled.md
class FastPath {
 public:
  static Result<std::unique_ptr<FastPath>> open(Workspace& workspace, const std::string& bronze);

  /// Look where tables and views stand, behind a commit and its stages. Views that are not up to
  /// the lake, or neither there nor ahead of it by reads of this epoch, take no part in it.
  Status begin_epoch();
  /// Bring the rows of the epoch's read number `read` (from 1 on) to the views that do not have
  /// them.
  Status apply(const data::Batch& rows, int64_t read);
  /// Drop what is ahead of the lake: its reads cannot be made again. The next online stage makes it
  /// from the lake.
  Status drop_views_ahead();
  /// How many views take part.
  [[nodiscard]] int64_t views() const;

 private:
  struct View {
    gold::FeatureViewPtr compiled;
    bool takes_part = false;
    int64_t position = 0;
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
      : workspace_(workspace), bronze_(std::move(bronze)) {}
  Status begin_branch(std::optional<EventTime> low_time, Branch* branch);
  Status apply_branch(const data::Batch& rows, int64_t read, Branch* branch);

  Workspace& workspace_;
  std::string bronze_;
  std::vector<Branch> branches_;
};

}  // namespace assay::flow
