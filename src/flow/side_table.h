#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/taken_parts.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Remove the rows of a table whose `column` (int64) has one of these values; at least one.
Status remove_rows_at(Workspace& workspace,
                      lake::DeltaTable& table,
                      const std::string& column,
                      const std::set<int64_t>& positions,
                      const std::vector<lake::TxnUpdate>& txns = {});

/// A table beside a stage's own, for rows that left the line there: quarantine, or late rows.
///
/// It is committed before the stage's table and has a position of its own. After a crash between
/// the two the stage gives the same rows again: those that are there already are left out.
class SideTable {
 public:
  /// The table is made when the first row goes in. `position_column` (int64) orders its rows.
  static Result<std::unique_ptr<SideTable>> open(Workspace& workspace,
                                                 const lake::TableSpec& spec,
                                                 const std::string& position_column);

  /// Add the rows that are not below the table's position, and move it to `end`. Without such rows
  /// nothing is committed.
  Status commit(const data::Batch& rows, int64_t end);
  /// What was read of a source's parts, by part's ordinal: from where the stage's table stands, if
  /// it has any of the part, to where it will stand.
  struct Parts {
    std::map<int64_t, int64_t> begun;
    std::map<int64_t, int64_t> ends;
  };
  /// Let the table have `rows`, and no others, of what was read. A crash may have left rows there
  /// that came of an earlier reading of the same records: those that are not in `rows` go.
  ///
  /// Errors  kAborted: another process has taken one of these parts over.
  Status commit_parts(const data::Batch& rows, const Parts& parts);
  /// Be the only one that may commit rows of these parts, until another process does the same.
  Status take_over(const std::set<int64_t>& ordinals);
  /// Add all rows, which were made from one version of another table, unless they are there.
  /// `reads_parts`: the other table is of a topic's partitions. `is_all`: of all that it holds, so
  /// that rows go which a crash left of versions that cannot be read one by one any more.
  Status commit_version(const data::Batch& rows,
                        lake::Version version,
                        bool reads_parts,
                        bool is_all);

 private:
  SideTable(Workspace& workspace,
            lake::TableSpec spec,
            std::string position_column,
            lake::DeltaTable* table)
      : workspace_(workspace),
        spec_(std::move(spec)),
        position_column_(std::move(position_column)),
        table_(table),
        taken_(workspace.app_id(spec_.name)) {}

  Status ensure_table();
  Status commit_rows(const data::Batch& rows,
                     std::vector<lake::TxnUpdate> positions,
                     std::vector<std::string> removes = {});
  Status find_left(const lake::Snapshot& snapshot, const Parts& parts);
  [[nodiscard]] std::set<int64_t> left_of(const Parts& parts) const;
  Result<bool> try_commit_parts(const data::Batch& rows, const Parts& parts);

  Workspace& workspace_;
  lake::TableSpec spec_;
  std::string position_column_;
  lake::DeltaTable* table_;  // nullptr: not made yet
  TakenParts taken_;
  std::set<int64_t> looked_;  // parts whose rows behind the stage's table are in left_
  std::set<int64_t> left_;    // positions
};

}  // namespace assay::flow
