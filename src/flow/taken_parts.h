#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lake/delta_table.h"

namespace assay::flow {

/// The parts of a source that one process has, of a table that several processes write.
///
/// Each taking over of a part is counted in the table, and a commit says the number that its
/// process took the part with: so it holds only until another one has taken the part, however slow
/// it was.
/// Source  docs/decisions/0116-parts-are-taken-in-both-tables.md
class TakenParts {
 public:
  /// `app_id`: the table's.
  explicit TakenParts(std::string app_id) : app_id_(std::move(app_id)) {}

  /// Be the only one that may commit for these parts, until another process does the same.
  Status take(lake::DeltaTable& table, const std::set<int64_t>& ordinals);
  /// What a commit that moves these parts says; nothing where none was ever taken: one process
  /// works alone.
  ///
  /// Errors  kAborted: another process has taken one of them over, or this one never has.
  [[nodiscard]] Result<std::vector<lake::TxnUpdate>> still_taken(
      const lake::Snapshot& snapshot, const std::map<int64_t, int64_t>& parts) const;

 private:
  std::string app_id_;
  std::map<int64_t, int64_t> taken_;  // by part's ordinal: how often it was, with this time
};

}  // namespace assay::flow
