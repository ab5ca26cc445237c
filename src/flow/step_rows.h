#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/parquet_groups.h"
#include "flow/gold_stage.h"
#include "flow/workspace.h"

namespace assay::flow {

/// A column of a steps table, and what it is called where it is read.
struct StepColumn {
  std::string name;
  std::string as;
};

/// The rows of a steps table, in the same order each time they are read. Files that we wrote are
/// read by row groups, on several threads; all others by the SQL engine.
///
/// Threads one thread at a time, save for read().
class StepRows {
 public:
  /// `memory_bytes_max`: of row groups that are being read.
  ///
  /// Errors  those of FileSystem::read_range.
  static Result<StepRows> open(Workspace& workspace,
                               StepsRelation steps,
                               int threads,
                               std::size_t memory_bytes_max);

  /// Rows in pieces of about `rows_max`, fewer where memory is short. This must outlive the reader.
  /// Where there are no row groups, only rows that steps_relation was asked for.
  ///
  /// Errors  kInvalidArgument: no such column; those of read().
  Result<std::unique_ptr<data::BatchReader>> stream(const std::vector<StepColumn>& columns,
                                                    int64_t rows_max) const&;
  Result<std::unique_ptr<data::BatchReader>> stream(const std::vector<StepColumn>& columns,
                                                    int64_t rows_max) const&& = delete;

  /// Rows [first_row, first_row + rows), which are read at once.
  struct RowGroup {
    std::size_t file = 0;
    std::size_t number = 0;  // in its file
    int64_t first_row = 0;
    int64_t rows = 0;
  };
  /// All rows, in order; none when the SQL engine reads them.
  [[nodiscard]] std::span<const RowGroup> row_groups() const { return groups_; }
  /// Row groups turned out to be none that we can read: from now on there are none. Places of rows
  /// may be others then.
  void leave_to_sql_engine();
  /// One row group.
  ///
  /// Errors  those of ParquetGroupReader; kInvalidArgument: no such column; kResourceExhausted:
  /// want
  ///         of memory.
  /// Threads any number, each with a reader of its own.
  Result<data::Batch> read(const RowGroup& group,
                           const std::vector<StepColumn>& columns,
                           data::ParquetGroupReader& reader) const;
  [[nodiscard]] data::ParquetGroupReader make_reader() const;
  [[nodiscard]] int threads() const { return threads_; }
  /// As many of them as may read such columns at once.
  [[nodiscard]] int reading_threads(const std::vector<StepColumn>& columns) const;
  [[nodiscard]] std::size_t memory_bytes_max() const { return memory_bytes_max_; }

 private:
  StepRows(Workspace& workspace, StepsRelation steps, int threads, std::size_t memory_bytes_max)
      : workspace_(&workspace),
        steps_(std::move(steps)),
        threads_(threads),
        memory_bytes_max_(memory_bytes_max) {}
  Result<data::Batch> read_columns(const RowGroup& group,
                                   const std::vector<StepColumn>& columns,
                                   data::ParquetGroupReader& reader) const;

  Workspace* workspace_;
  StepsRelation steps_;
  int threads_;
  std::size_t memory_bytes_max_;
  std::vector<data::ParquetGroups> files_;
  std::vector<RowGroup> groups_;
};

}  // namespace assay::flow
