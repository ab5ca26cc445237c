#include "data/parquet_reader.h"

#include <cstring>
#include <utility>

#include "data/parquet_file.h"
#include "data/parquet_pages.h"

namespace assay::data {

ParquetReader::ParquetReader(SchemaPtr schema, std::size_t bytes_max)
    : schema_(std::move(schema)),
      footer_begin_(parquet_footer_begin(*schema_)),
      bytes_max_(bytes_max),
      pages_(std::make_unique<ParquetPages>()) {}

ParquetReader::~ParquetReader() = default;

std::optional<Batch> ParquetReader::read(std::string_view file) {
  pages_->begin_file(bytes_max_);
  std::optional<Batch> rows = read_groups(file);
  ran_out_ = pages_->end_file(bytes_max_);
  return rows;
}

std::optional<Batch> ParquetReader::read_groups(std::string_view file) {
  constexpr std::string_view kMagic = ParquetFile::kBegin;
  if (file.size() < kMagic.size() + kParquetTailBytes || !file.starts_with(kMagic) ||
      !file.ends_with(kMagic)) {
    return std::nullopt;
  }
  uint32_t size = 0;
  std::memcpy(&size, file.data() + file.size() - kParquetTailBytes, sizeof size);
  std::string_view rest =
      file.substr(kMagic.size(), file.size() - kMagic.size() - kParquetTailBytes);
  if (size > rest.size() || !rest.substr(rest.size() - size).starts_with(footer_begin_)) {
    return std::nullopt;
  }
  const auto columns = static_cast<std::size_t>(schema_->size());
  const std::string_view footer = rest.substr(rest.size() - size);
  const auto groups =
      columns == 0
          ? std::nullopt
          : read_parquet_footer(
                footer, columns, bytes_max_ / (4 * sizeof(ParquetChunkPlace)), kParquetRowsMax);
  if (!groups) {
    return std::nullopt;
  }
  rest.remove_suffix(size);
  BatchBuilder builder(schema_);
  for (const ParquetGroupPlace& group : *groups) {
    for (std::size_t i = 0; i < columns; ++i) {
      if (!pages_->read(rest,
                        rest.data() - file.data(),
                        group.chunks[i],
                        group.rows,
                        builder.column(static_cast<int>(i)))) {
        return std::nullopt;
      }
    }
  }
  return rest.empty() ? std::optional(builder.finish()) : std::nullopt;
}

}  // namespace assay::data
