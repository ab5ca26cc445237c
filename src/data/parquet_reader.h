#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.h"

namespace assay::data {

class ParquetPages;
struct ParquetGroupPlace;

/// Reads small Parquet files that ParquetFile made, whole and from memory: a tenth of what the SQL
/// engine takes to open one. Nothing else is read, least of all a file that is damaged or another
/// writer's; the SQL engine has words for those, and is the one to read a file that unpacks to very
/// much more than it is.
///
/// Threads one thread at a time; keeps a little working memory for the next file.
/// Cost    memory: at most some three times `bytes_max`, whatever the file says of itself.
class ParquetReader {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{256} << 20;

  /// `schema` is flat. A file's pages and rows have at most `bytes_max` bytes together.
  explicit ParquetReader(SchemaPtr schema, std::size_t bytes_max = kBytesMax);
  ~ParquetReader();

  /// All rows, when the file has just the columns of the schema, by name, type and order.
  std::optional<Batch> read(std::string_view file);
  /// The same, but only some of the columns, by their ascending numbers; the others are not
  /// unpacked, so nobody sees whether they are damaged.
  std::optional<Batch> read(std::string_view file, std::span<const int> columns);
  /// Did the last file unpack to more than `bytes_max`?
  [[nodiscard]] bool ran_out() const { return ran_out_; }

 private:
  std::optional<Batch> read_groups(std::string_view file, std::span<const int> columns);
  [[nodiscard]] SchemaPtr schema_of(std::span<const int> columns) const;
  bool read_group(std::string_view file,
                  const ParquetGroupPlace& group,
                  std::span<const int> columns,
                  std::string_view& rest,
                  BatchBuilder& rows);

  SchemaPtr schema_;
  std::vector<int> all_columns_;
  std::string footer_begin_;
  std::size_t bytes_max_;
  bool ran_out_ = false;
  std::unique_ptr<ParquetPages> pages_;
};

}  // namespace assay::data
