#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "data/column.h"

// What the readers of our own Parquet files share: where things lie, and pages into columns.

namespace assay::data {

/// Rows of a page, and of a small file, at most.
inline constexpr int64_t kParquetRowsMax = int64_t{1} << 24;
/// The footer's size and the magic bytes, at a file's end.
inline constexpr std::size_t kParquetTailBytes = 8;

/// Where a column lies in the file.
struct ParquetChunkPlace {
  int64_t codec = -1;
  int64_t rows = -1;
  int64_t raw_bytes = -1;  // pages with their heads, unpacked
  int64_t bytes = -1;
  int64_t data_page = -1;
  int64_t dictionary_page = -1;
  int64_t null_count = -1;

  /// Of its first page.
  [[nodiscard]] int64_t begin() const { return dictionary_page >= 0 ? dictionary_page : data_page; }
};

/// The columns of a row group.
struct ParquetGroupPlace {
  int64_t rows = -1;
  std::vector<ParquetChunkPlace> chunks;
};

/// All row groups; nothing when the footer is damaged, or its numbers of rows are at odds, or it
/// has more chunks or rows. What stands for the schema is not looked at.
std::optional<std::vector<ParquetGroupPlace>> read_parquet_footer(std::string_view footer,
                                                                  std::size_t columns,
                                                                  std::size_t chunks_max,
                                                                  int64_t rows_max);

/// The pages of one column at a time, and the memory that they are read in.
///
/// Threads one thread at a time.
class ParquetPages {
 public:
  ParquetPages();
  ~ParquetPages();
  ParquetPages(ParquetPages&&) noexcept;

  /// What is read from now on unpacks to `bytes_max` at most.
  void begin_file(std::size_t bytes_max);
  /// Did it unpack to more? Gives back what a large file needed and a small one does not.
  bool end_file(std::size_t bytes_max);
  /// Append a column of a row group of so many rows to `out`; false when it is damaged or unpacks
  /// to too much. `rest` begins with it, and its bytes are taken from there; that is at `begin` of
  /// the file.
  bool read(std::string_view& rest,
            int64_t begin,
            const ParquetChunkPlace& place,
            int64_t rows,
            ColumnBuilder& out);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::data
