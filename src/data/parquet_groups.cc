#include "data/parquet_groups.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "data/parquet_file.h"

namespace assay::data {
namespace {

constexpr int64_t kProbablyTheFooter = int64_t{64} << 10;
constexpr int64_t kRawBytesMax = int64_t{64} << 20;  // of a column of a row group
/// What it may become: pages, levels, numbers and values.
constexpr std::size_t kColumnBytesMax = std::size_t{512} << 20;
constexpr std::size_t kShortTextBytes = 16;

/// Do the columns lie end to end, as we lay them, and is none too long to be read at once?
bool are_ours(const std::vector<ParquetGroupPlace>& groups, int64_t end) {
  int64_t at = std::ssize(ParquetFile::kBegin);
  for (const ParquetGroupPlace& group : groups) {
    for (const ParquetChunkPlace& chunk : group.chunks) {
      if (chunk.begin() != at || chunk.bytes < 0 || chunk.bytes > end - at || chunk.raw_bytes < 0 ||
          chunk.raw_bytes > kRawBytesMax || chunk.bytes > kRawBytesMax) {
        return false;
      }
      at += chunk.bytes;
    }
    if (group.rows > kParquetRowsMax) {
      return false;
    }
  }
  return at == end;
}

/// How many bytes the footer has; nothing when the file does not end as one of ours.
std::optional<int64_t> footer_bytes(std::string_view tail) {
  if (tail.size() < kParquetTailBytes || !tail.ends_with(ParquetFile::kBegin)) {
    return std::nullopt;
  }
  uint32_t bytes = 0;
  std::memcpy(&bytes, tail.data() + tail.size() - kParquetTailBytes, sizeof bytes);
  return int64_t{bytes};
}

/// The footer; nothing when there is none.
Result<std::optional<std::string>> read_footer(FileSystem& files,
                                               const std::string& path,
                                               int64_t size_bytes) {
  const auto read_tail = [&](int64_t bytes) {
    return files.read_range(path, size_bytes - bytes, bytes);
  };
  const auto end = static_cast<int64_t>(kParquetTailBytes);
  if (size_bytes < end) {
    return std::optional<std::string>();
  }
  ASSAY_ASSIGN_OR_RETURN(std::string tail, read_tail(std::min(size_bytes, kProbablyTheFooter)));
  const std::optional<int64_t> bytes = footer_bytes(tail);
  if (!bytes || *bytes > size_bytes - end) {
    return std::optional<std::string>();
  }
  if (*bytes + end > std::ssize(tail)) {
    ASSAY_ASSIGN_OR_RETURN(tail, read_tail(*bytes + end));
    if (footer_bytes(tail) != bytes || std::ssize(tail) != *bytes + end) {
      return std::optional<std::string>();
    }
  }
  tail.resize(tail.size() - kParquetTailBytes);
  return std::optional(tail.substr(tail.size() - static_cast<std::size_t>(*bytes)));
}

}  // namespace

Result<std::optional<ParquetGroups>> ParquetGroups::open(FileSystem& files,
                                                         std::string path,
                                                         int64_t size_bytes,
                                                         SchemaPtr schema) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> footer,
                         read_footer(files, path, size_bytes));
  if (!footer || schema->size() == 0 || !footer->starts_with(parquet_footer_begin(*schema))) {
    return std::optional<ParquetGroups>();
  }
  auto groups = read_parquet_footer(*footer,
                                    static_cast<std::size_t>(schema->size()),
                                    footer->size(),
                                    std::numeric_limits<int64_t>::max());
  const int64_t end = size_bytes - static_cast<int64_t>(kParquetTailBytes) - std::ssize(*footer);
  if (!groups || !are_ours(*groups, end)) {
    return std::optional<ParquetGroups>();
  }
  ParquetGroups file;
  file.path_ = std::move(path);
  file.schema_ = std::move(schema);
  file.groups_ = *std::move(groups);
  return std::optional<ParquetGroups>(std::move(file));
}

std::size_t ParquetGroups::column_bytes(std::size_t group, int column) const {
  const ParquetGroupPlace& place = groups_.at(group);
  const ParquetChunkPlace& chunk = place.chunks.at(static_cast<std::size_t>(column));
  const Type& type = schema_->field(column).type;
  const auto rows = static_cast<std::size_t>(place.rows);
  const std::size_t validity = chunk.null_count == 0 ? 0 : rows / 8 + 1;
  if (!is_text(type)) {
    return validity + rows * static_cast<std::size_t>(value_width(type));
  }
  const std::size_t texts =
      std::max(static_cast<std::size_t>(chunk.raw_bytes),
               chunk.dictionary_page >= 0 ? rows * kShortTextBytes : std::size_t{0});
  return validity + rows * sizeof(int32_t) + 2 * texts;  // it grows by doubling
}

std::size_t ParquetGroups::working_bytes(std::size_t group, int column) const {
  const ParquetGroupPlace& place = groups_.at(group);
  const ParquetChunkPlace& chunk = place.chunks.at(static_cast<std::size_t>(column));
  const Type& type = schema_->field(column).type;
  const std::size_t value =
      is_text(type) ? sizeof(std::string_view) : static_cast<std::size_t>(value_width(type));
  const std::size_t number = chunk.dictionary_page >= 0 ? sizeof(uint32_t) : 0;
  return static_cast<std::size_t>(chunk.bytes) + static_cast<std::size_t>(chunk.raw_bytes) +
         static_cast<std::size_t>(place.rows) * (sizeof(uint8_t) + number + value);
}

Result<Batch> ParquetGroupReader::read(const ParquetGroups& file,
                                       std::size_t group,
                                       std::span<const int> columns) {
  const ParquetGroupPlace& place = file.groups_.at(group);
  std::vector<Field> fields;
  std::vector<ColumnPtr> read;
  for (const int column : columns) {
    const Field& field = file.schema_->field(column);
    const ParquetChunkPlace& chunk = place.chunks.at(static_cast<std::size_t>(column));
    const int64_t begin = chunk.begin();
    ASSAY_ASSIGN_OR_RETURN(const std::string bytes,
                           files_.read_range(file.path_, begin, chunk.bytes));
    std::string_view rest = bytes;
    ColumnBuilder builder(field.type);
    pages_.begin_file(kColumnBytesMax);
    if (!pages_.read(rest, begin, chunk, place.rows, builder)) {
      return Status(Code::kCorrupt,
                    "a Parquet file is damaged: column `" + field.name + "`, row group " +
                        std::to_string(group) + ", " + file.path_);
    }
    fields.push_back(field);
    read.push_back(builder.finish());
  }
  return Batch(make_schema(std::move(fields)), std::move(read), place.rows);
}

}  // namespace assay::data
