#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "data/one_file.h"
#include "data/parquet_file.h"
#include "data/parquet_groups.h"

// Damages a good file where the input says so. Whatever it says, the work is bounded; there is no
// such file, or each row group is an error or has its rows under the schema.

namespace assay::data {
namespace {

constexpr int64_t kGroupRows = 30;

Batch sample_rows() {
  const SchemaPtr schema = make_schema({{"b", Type::kBool},
                                        {"i", Type::kInt16},
                                        {"l", Type::kInt64},
                                        {"d", Type::kFloat64},
                                        {"s", Type::kString},
                                        {"m", Type::decimal(38, 2)}});
  BatchBuilder builder(schema);
  for (int64_t row = 0; row < 75; ++row) {
    builder.column(0).append(static_cast<uint8_t>(row % 2));
    builder.column(1).append(static_cast<int16_t>(row % 3));
    row % 7 == 0 ? builder.column(2).append_null() : builder.column(2).append(row * 1'000'003);
    builder.column(3).append(static_cast<double>(row) / 7);
    row % 5 == 0 ? builder.column(4).append_null()
                 : builder.column(4).append_text("text " + std::to_string(row % 4));
    builder.column(5).append(Int128{row} << 70);
  }
  return builder.finish();
}

std::string bytes_of(const Batch& rows) {
  ParquetEncoder encoder;
  ParquetFile file(rows.schema_ptr(), "assay");
  std::string bytes(ParquetFile::kBegin);
  for (int64_t row = 0; row < rows.rows(); row += kGroupRows) {
    const std::vector<Batch> part{rows.slice(row, std::min(row + kGroupRows, rows.rows()))};
    const ParquetRowGroup group = encoder.encode(part).value();
    file.add(group);
    bytes += group.bytes;
  }
  return bytes + file.end();
}

/// Nothing: it is no such file, or a row group is an error.
std::optional<Batch> read_all(std::string bytes, const SchemaPtr& schema) {
  OneFile files(std::move(bytes));
  const std::optional<ParquetGroups> file =
      ParquetGroups::open(files, "fuzzed.parquet", files.size(), schema).value();
  if (!file) {
    return std::nullopt;
  }
  ParquetGroupReader reader(files);
  std::vector<int> all(static_cast<std::size_t>(schema->size()));
  std::iota(all.begin(), all.end(), 0);
  std::vector<Batch> read;
  bool good = true;
  for (std::size_t group = 0; group < file->size(); ++group) {
    Result<Batch> rows = reader.read(*file, group, all);
    ASSAY_CHECK(rows.ok() ? rows->rows() == file->rows(group)
                          : rows.status().code() == Code::kCorrupt);
    good = good && rows.ok();
    if (rows.ok()) {
      read.push_back(*std::move(rows));
    }
  }
  return good ? std::optional(concat(schema, read).value()) : std::nullopt;
}

/// The first byte takes bytes off the end; three further ones are a change: where, and to what.
void read(const uint8_t* input, std::size_t size) {
  static const Batch rows = sample_rows();
  static const std::string good = bytes_of(rows);
  std::string bytes = good.substr(0, good.size() - (size == 0 ? 0 : input[0] / 8));
  for (std::size_t i = 1; i + 2 < size; i += 3) {
    const std::size_t at = (std::size_t{input[i]} << 8 | input[i + 1]) % bytes.size();
    bytes[at] = static_cast<char>(input[i + 2]);
  }
  const bool is_whole = bytes == good;
  const std::optional<Batch> read = read_all(std::move(bytes), rows.schema_ptr());
  ASSAY_CHECK(!is_whole || (read && content_hash(*read) == content_hash(rows)));
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::read(bytes, size);
  return 0;
}
