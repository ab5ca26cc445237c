#include "data/parquet_reader.h"

#include <cstring>
#include <numeric>
#include <utility>

#include "data/parquet_file.h"
#include "data/parquet_pages.h"

namespace assay::data {

ParquetReader::ParquetReader(SchemaPtr schema, std::size_t bytes_max)
    : schema_(std::move(schema)),
      all_columns_(static_cast<std::size_t>(schema_->size())),
      footer_begin_(parquet_footer_begin(*schema_)),
      bytes_max_(bytes_max),
      pages_(std::make_unique<ParquetPages>()) {
  std::iota(all_columns_.begin(), all_columns_.end(), 0);
}

ParquetReader::~ParquetReader() = default;

std::optional<Batch> ParquetReader::read(std::string_view file) {
  return read(file, all_columns_);
}

std::optional<Batch> ParquetReader::read(std::string_view file, std::span<const int> columns) {
  pages_->begin_file(bytes_max_);
  std::optional<Batch> rows = read_groups(file, columns);
  ran_out_ = pages_->end_file(bytes_max_);
  return rows;
}

std::optional<Batch> ParquetReader::read_groups(std::string_view file,
                                                std::span<const int> columns) {
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
  const std::string_view footer = rest.substr(rest.size() - size);
  const auto groups = all_columns_.empty()
                          ? std::nullopt
                          : read_parquet_footer(footer,
                                                all_columns_.size(),
                                                bytes_max_ / (4 * sizeof(ParquetChunkPlace)),
                                                kParquetRowsMax);
  if (!groups) {
    return std::nullopt;
  }
  rest.remove_suffix(size);
  BatchBuilder builder(columns.size() == all_columns_.size() ? schema_ : schema_of(columns));
  int64_t rows = 0;
  for (const ParquetGroupPlace& group : *groups) {
    if (!read_group(file, group, columns, rest, builder)) {
      return std::nullopt;
    }
    rows += group.rows;
  }
  if (!rest.empty()) {
    return std::nullopt;
  }
  return columns.empty() ? Batch(make_schema({}), {}, rows) : builder.finish();
}

SchemaPtr ParquetReader::schema_of(std::span<const int> columns) const {
  std::vector<Field> fields;
  for (const int column : columns) {
    fields.push_back(schema_->field(column));
  }
  return make_schema(std::move(fields));
}

/// `rest` begins with the row group.
bool ParquetReader::read_group(std::string_view file,
                               const ParquetGroupPlace& group,
                               std::span<const int> columns,
                               std::string_view& rest,
                               BatchBuilder& rows) {
  std::size_t next = 0;  // of `columns`
  for (std::size_t i = 0; i < group.chunks.size(); ++i) {
    const ParquetChunkPlace& place = group.chunks[i];
    const int64_t begin = rest.data() - file.data();
    if (next < columns.size() && columns[next] == static_cast<int>(i)) {
      if (!pages_->read(rest, begin, place, group.rows, rows.column(static_cast<int>(next)))) {
        return false;
      }
      ++next;
      continue;
    }
    if (place.begin() != begin || place.rows != group.rows || place.bytes < 0 ||
        place.bytes > std::ssize(rest)) {
      return false;
    }
    rest.remove_prefix(static_cast<std::size_t>(place.bytes));
  }
  return true;
}

}  // namespace assay::data
