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
  /// Behind the epoch's last read, before the lake has it: views that are ahead by some of its
  /// `reads` say that they have all of them.
  Status end_epoch(int64_t reads);
  /// Look where views stand behind stages that ran within the epoch.
  Status note_stages();
  /// Drop views that are ahead of the lake by more than `reads`: they cannot be made again. The
  /// next online stage makes them from the lake.
  Status drop_views_ahead(int64_t reads);
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
  Status place_view(const Branch& branch, lake::DeltaTable& table, View* view);
  Status note_stages_of(const Branch& branch, View* view);
  Status apply_to(const data::Batch& rows, int64_t read, View* view);
  Status apply_branch(const data::Batch& rows, int64_t read, Branch* branch);

  Workspace& workspace_;
  std::string bronze_;
  std::vector<Branch> branches_;
};

}  // namespace assay::flow
