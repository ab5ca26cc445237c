#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/parquet_chunk.h"

// Parquet files without the SQL engine, for columns that are not nested: row groups are encoded,
// on as many threads as there are encoders, and put one behind the other with a footer at the end.
// A file is kBegin, the bytes of its row groups in the order in which they were added, end().

namespace assay::data {

/// True when no column is nested.
bool is_flat(const Schema& schema);

/// How the footer begins of every file with this flat schema that we write.
std::string parquet_footer_begin(const Schema& schema);

/// Rows as the bytes of one row group, wherever it will lie in its file.
struct ParquetRowGroup {
  int64_t rows = 0;
  std::string bytes;
  std::vector<ParquetChunk> chunks;  // one a column
};

/// Makes row groups. Equal rows give equal bytes, however they are cut into batches.
///
/// Threads one thread at a time; keeps its working memory for the next row group.
class ParquetEncoder {
 public:
  /// All rows of the batches, which have one flat schema; at least one row.
  ///
  /// Nulls   every column is optional in the file.
  /// Errors  kResourceExhausted: a text of nearly 2 GiB.
  Result<ParquetRowGroup> encode(std::span<const Batch> batches);

 private:
  ParquetChunkWriter chunks_;
  std::size_t bytes_ = 0;  // of the row group before
};

/// What is in one file so far.
///
/// Threads one thread at a time.
/// Source  https://github.com/apache/parquet-format
class ParquetFile {
 public:
  static constexpr std::string_view kBegin = "PAR1";
  static constexpr int64_t kRowGroupRows = 122'880;  // about as many as a row group should have

  /// `created_by` is for readers that work around each other's mistakes: "name version 1.2.3".
  ParquetFile(SchemaPtr schema, std::string created_by);

  /// The bytes of this row group come next.
  void add(const ParquetRowGroup& group);
  /// What stands behind the row groups.
  [[nodiscard]] std::string end() const;

  [[nodiscard]] int64_t rows() const { return rows_; }
  /// Of the file without end().
  [[nodiscard]] int64_t bytes() const { return static_cast<int64_t>(bytes_); }
  /// Of all row groups.
  [[nodiscard]] const ColumnBounds& bounds(int column) const {
    return bounds_.at(static_cast<std::size_t>(column));
  }

 private:
  SchemaPtr schema_;
  std::string created_by_;
  std::string groups_;  // as the footer has them
  std::size_t group_count_ = 0;
  std::size_t bytes_ = kBegin.size();
  int64_t rows_ = 0;
  std::vector<ColumnBounds> bounds_;
};

}  // namespace assay::data
