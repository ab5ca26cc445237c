#pragma once

#include <map>
#include <memory>
#include <string>

#include "flow/workspace.h"

namespace assay::flow {

/// A table beside a stage's own, for rows that left the line there: quarantine, or late rows.
///
/// It is committed before the stage's table and has a position of its own. After a crash between
/// the two the stage gives the same rows again: those below the side table's position are there
/// already and left out.
class SideTable {
 public:
  /// The table is made when the first row goes in. `position_column` (int64) orders its rows.
  static Result<std::unique_ptr<SideTable>> open(Workspace& workspace,
                                                 const lake::TableSpec& spec,
                                                 const std::string& position_column);

  /// Add the rows that are not below the table's position, and move it to `end`. Without such rows
  /// nothing is committed.
  Status commit(const data::Batch& rows, int64_t end);
  /// The same for rows of several parts, each with a position of its own, by part's ordinal.
  Status commit_parts(const data::Batch& rows, const std::map<int64_t, int64_t>& ends);
  /// Add all rows, which were made from one version of another table, unless they are there.
  /// `reads_parts`: the other table is of a topic's partitions.
  Status commit_version(const data::Batch& rows, lake::Version version, bool reads_parts);

 private:
  SideTable(Workspace& workspace,
            lake::TableSpec spec,
            std::string position_column,
            lake::DeltaTable* table)
      : workspace_(workspace),
        spec_(std::move(spec)),
        position_column_(std::move(position_column)),
        table_(table) {}

  Status ensure_table();
  Status commit_rows(const data::Batch& rows, std::vector<lake::TxnUpdate> positions);

  Workspace& workspace_;
  lake::TableSpec spec_;
  std::string position_column_;
  lake::DeltaTable* table_;  // nullptr: not made yet
};

}  // namespace assay::flow
