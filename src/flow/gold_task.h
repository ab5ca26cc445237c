#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flow/workspace.h"

// What a run and a backfill of a steps table share: where the rows come from and how they are cut.

namespace assay::flow {

/// Tag of files with steps that are not final.
inline constexpr char kTailTag[] = "assay.tail";

/// What the steps of a view are made from, and where they go.
struct GoldTask {
  gold::FeatureViewPtr view;
  std::string source_key;
  lake::DeltaTable* source = nullptr;
  lake::DeltaTable* steps = nullptr;
  lake::Version source_version = -1;
  EventTime frontier;  // of the source's newest version
  std::string app_id;

  [[nodiscard]] std::string frontier_app_id() const { return app_id + "/frontier"; }
  /// Source version from which all final steps are known to be right.
  [[nodiscard]] std::string checked_app_id() const { return app_id + "/checked"; }
};

/// Open the tables of a view; its steps table is made when there is none.
Result<GoldTask> make_gold_task(Workspace& workspace, const std::string& view_name);

/// What the source's versions (after, task.source_version] changed. Days that its `keep` dropped
/// are no change.
struct SourceChanges {
  std::vector<lake::DataFile> added;
  std::vector<lake::DataFile> removed;
  std::vector<lake::FileChange> files;  // both, as the log has them; none when all is new
};
/// Errors  kOutOfRange: the log of that range is cleaned away.
Result<SourceChanges> source_changes(const GoldTask& task, lake::Version after);

/// True when what was made from the source's version `done` is made from `newest` too: nothing came
/// since, nothing was taken back; compactions and days that grew old do not matter.
Result<bool> is_up_to(lake::DeltaTable& source, std::optional<int64_t> done, lake::Version newest);

/// A time as SQL takes it.
std::string timestamp_literal(EventTime time);

/// ` QUALIFY ...`: of steps only each entity's last one.
std::string last_of_each_entity(const gold::FeatureView& view);

/// The last final step of each entity before `begin`.
Result<data::Batch> read_seed(Workspace& workspace, const GoldTask& task, EventTime begin);

/// Source rows that can matter to steps in [begin, end).
Result<data::Batch> read_source_rows(Workspace& workspace,
                                     const GoldTask& task,
                                     EventTime begin,
                                     EventTime end);

/// The same two of some of the view's entities at a time, by a hash of their keys, so that about
/// `rows_max` source rows are in memory at once: no step of an entity depends on another. Seeds,
/// and rows where there are many parts, are found once and lie in the engine's temporary tables,
/// which spill. One at a time in a workspace.
class EntityParts {
 public:
  static Result<EntityParts> open(Workspace& workspace,
                                  const GoldTask& task,
                                  EventTime begin,
                                  EventTime end,
                                  int64_t rows_max);

  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] Result<data::Batch> seed(int64_t part) const;
  [[nodiscard]] Result<data::Batch> rows(int64_t part) const;
  /// Give disk and memory back; where this is not called, the next one does.
  Status close();

 private:
  EntityParts(Workspace& workspace, const GoldTask& task, EventTime begin, EventTime end)
      : workspace_(&workspace), task_(&task), begin_(begin), end_(end) {}

  Workspace* workspace_;
  const GoldTask* task_;
  EventTime begin_;
  EventTime end_;
  int64_t count_ = 1;
  bool has_table_ = false;  // of rows, sorted by part
};

/// Chunk ends after `begin` and before `end`, at midnights, so that each chunk sees about
/// `rows_max` rows of its own.
Result<std::vector<EventTime>> chunk_ends(
    Workspace& workspace, const GoldTask& task, EventTime begin, EventTime end, int64_t rows_max);

}  // namespace assay::flow
