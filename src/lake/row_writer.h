#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/parquet_encoders.h"
#include "lake/parquet_files.h"
#include "lake/partition_split.h"

namespace assay::lake {

/// Can a RowWriter write rows of this schema? Else the SQL engine must.
bool row_writer_takes(const data::Schema& schema, const std::vector<std::string>& partitions);

/// When a RowWriter makes a row group of the rows of a partition.
struct RowGroupLimits {
  int64_t rows = data::ParquetFile::kRowGroupRows;
  std::size_t bytes = std::size_t{64} << 20;
  /// Of the rows of all partitions that wait: then half of it goes, the largest partitions first.
  std::size_t waiting_bytes = std::size_t{256} << 20;
  /// Of the rows that are being encoded.
  std::size_t encoding_bytes = std::size_t{128} << 20;

  /// The default, or less beside an SQL engine of less than 2 GiB: an eighth of its memory waits,
  /// half as much is being encoded; at least 16 MiB each.
  static RowGroupLimits within(std::size_t memory_bytes);
};

/// Writes rows, batch by batch, as one Parquet file per partition value; without partition columns,
/// as one file. Rows keep their order within each file. What it wrote is gone when finish() was not
/// called, or failed.
///
/// Nulls   an empty text in a partition column becomes null.
/// Errors  kInvalidArgument: a null in a column that is not nullable; a date or timestamp outside
///         years 0001 to 9999; a partition value too long for a folder's name.
/// Threads one thread at a time; it starts others when there are several row groups.
/// Cost    memory: the rows that wait, those that are encoded with what becomes of them, and one
///         batch; for each partition value a few KB, and 150 bytes a column and row group.
/// Source  docs/decisions/0073-parquet-of-our-own.md
class RowWriter {
 public:
  /// Partition columns are those of the target, unless all rows belong to `partition`: then batches
  /// have none of them. `threads` are used.
  RowWriter(const ParquetTarget& target,
            std::map<std::string, std::string> tags,
            std::optional<PartitionValues> partition,
            int threads,
            RowGroupLimits limits = {});
  /// With the threads of the target's SQL engine, and as much memory as suits it.
  RowWriter(const ParquetTarget& target,
            std::map<std::string, std::string> tags,
            std::optional<PartitionValues> partition);
  ~RowWriter();
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;

  /// Batches have one schema, with the table's types and what is nullable in it.
  Status add(const data::Batch& rows);
  /// Durable at return, in order of first appearance.
  Result<std::vector<DataFile>> finish();

 private:
  struct Partition;

  void find_columns(const data::Schema& schema);
  [[nodiscard]] data::Batch file_rows(const data::Batch& rows) const;
  Status add_partitions();
  Status add_whole(uint32_t partition, data::Batch rows);
  Status add_split(const data::Batch& rows, std::span<const uint32_t> numbers);
  void put(Partition& partition, data::Batch rows);
  void put_few(Partition& partition, const data::Batch& rows, std::span<const int64_t> which);
  void count(Partition& partition, int64_t rows, std::size_t bytes);
  Status flush_full(uint32_t partition);
  Status flush_largest();
  Status flush(uint32_t partition);
  Status write_oldest();
  Result<DataFile> log_entry(const Partition& partition) const;
  Status finish_file(Partition& partition, DataFile& file);
  void remove_files();

  const ParquetTarget target_;
  const RowGroupLimits limits_;
  std::map<std::string, std::string> tags_;
  std::optional<PartitionValues> partition_;
  std::string root_;
  PartitionSplit split_;
  std::vector<int> columns_;  // of a batch, that files have
  data::SchemaPtr schema_;    // of files
  data::ParquetEncoders encoders_;
  std::deque<uint32_t> encoded_;  // partitions of what is in encoders_
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::vector<std::vector<int64_t>> rows_of_;  // of each partition, while a batch is split
  std::size_t waiting_bytes_ = 0;
  bool finished_ = false;
};

}  // namespace assay::lake
