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
  if (file.size() < kParquetTailBytes || !file.ends_with(ParquetFile::kBegin)) {
    return std::nullopt;
  }
  uint32_t size = 0;
  std::memcpy(&size, file.data() + file.size() - kParquetTailBytes, sizeof size);
  const std::string_view body = file.substr(0, file.size() - kParquetTailBytes);
  if (size > body.size() || !body.substr(body.size() - size).starts_with(footer_begin_)) {
    return std::nullopt;
  }
  const auto columns = static_cast<std::size_t>(schema_->size());
  const auto groups =
      read_parquet_footer(body.substr(body.size() - size), columns, kParquetRowsMax);
  if (!groups || columns == 0) {
    return std::nullopt;
  }
  BatchBuilder builder(schema_);
  pages_->begin_file(bytes_max_);
  for (const ParquetGroupPlace& group : *groups) {
    for (std::size_t i = 0; i < columns; ++i) {
      if (!pages_->read(body, group.chunks[i], group.rows, builder.column(static_cast<int>(i)))) {
        return std::nullopt;
      }
    }
  }
  return builder.finish();
}

}  // namespace assay::data
