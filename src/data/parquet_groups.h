#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "data/batch.h"
#include "data/parquet_pages.h"

namespace assay::data {

/// Where the row groups lie in a large file that ParquetFile made.
///
/// Threads immutable.
class ParquetGroups {
 public:
  /// Nothing when the file is not just of the columns of `schema`, which is flat, is damaged, or
  /// has row groups of very many bytes.
  ///
  /// Errors  those of FileSystem::read_range.
  static Result<std::optional<ParquetGroups>> open(FileSystem& files,
                                                   std::string path,
                                                   int64_t size_bytes,
                                                   SchemaPtr schema);

  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }
  [[nodiscard]] std::size_t size() const { return groups_.size(); }
  /// Of one row group.
  [[nodiscard]] int64_t rows(std::size_t group) const { return groups_.at(group).rows; }
  /// Memory for a column of one row group, once it is read. Texts that a dictionary repeats are
  /// counted as short ones.
  [[nodiscard]] std::size_t column_bytes(std::size_t group, int column) const;
  /// What is needed besides while it is read: its pages as they lie in the file and unpacked,
  /// levels, and numbers in a dictionary.
  [[nodiscard]] std::size_t working_bytes(std::size_t group, int column) const;

 private:
  friend class ParquetGroupReader;
  ParquetGroups() = default;
  std::string path_;
  SchemaPtr schema_;
  std::vector<ParquetGroupPlace> groups_;
};

/// Reads some columns of one row group at a time: about what it takes to decompress them.
///
/// Threads one thread at a time; keeps its working memory for the next row group.
class ParquetGroupReader {
 public:
  explicit ParquetGroupReader(FileSystem& files) : files_(files) {}

  /// The columns at these places of the file's schema, in this order.
  ///
  /// Errors  those of FileSystem::read_range; kCorrupt: a damaged page, or one that unpacks to very
  ///         much more than row groups have.
  Result<Batch> read(const ParquetGroups& file, std::size_t group, std::span<const int> columns);

 private:
  FileSystem& files_;
  ParquetPages pages_;
};

}  // namespace assay::data
