#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/status.h"
#include "data/column.h"
#include "data/scalar.h"

namespace assay::data {

/// How Parquet stores a value; the numbers are the format's.
enum class ParquetStorage : uint8_t {
  kBoolean = 0,
  kInt32 = 1,
  kInt64 = 2,
  kFloat = 4,
  kDouble = 5,
  kByteArray = 6,
  kFixed = 7,  // 16 bytes, highest first
};

/// Of a type that is not nested.
ParquetStorage parquet_storage_of(const Type& type);

/// The 16 bytes of kFixed.
std::string big_endian(Int128 value);

/// Longer texts are cut in a footer.
inline constexpr std::size_t kParquetBoundBytes = 256;

/// What the values of one column are between. Of texts longer than kParquetBoundBytes only a little
/// more than that is kept: the maximum is then the beginning of something larger.
struct ColumnBounds {
  int64_t null_count = 0;
  bool has_nan = false;
  /// Of the values that are neither null nor NaN; nothing when there are none.
  std::optional<Scalar> min;
  std::optional<Scalar> max;

  void add(const ColumnBounds& other);
};

/// One column of one row group: where it lies and what is in it. Offsets count from the beginning
/// of the row group.
struct ParquetChunk {
  std::size_t begin = 0;
  std::size_t first_data_page = 0;  // > begin: a page with a dictionary stands before it
  std::size_t end = 0;
  std::size_t raw_bytes = 0;  // pages with their heads, before compression
  int32_t data_pages = 0;
  ColumnBounds bounds;
};

/// Writes columns as the pages of Parquet's format 1: a dictionary where it saves bytes, else plain
/// values; zstd. Equal columns give equal bytes, however they are cut into pieces.
///
/// Threads one thread at a time; keeps its working memory for the next column.
class ParquetChunkWriter {
 public:
  ParquetChunkWriter();
  ~ParquetChunkWriter();
  ParquetChunkWriter(ParquetChunkWriter&&) noexcept;
  ParquetChunkWriter& operator=(ParquetChunkWriter&&) noexcept;
  /// Append the pages of a column that comes in pieces of one type, which is not nested.
  ///
  /// Errors  kResourceExhausted: a text of nearly 2 GiB.
  Result<ParquetChunk> append(std::span<const Column* const> pieces, std::string& out);

 private:
  class Pages;
  std::unique_ptr<Pages> pages_;
};

}  // namespace assay::data
