#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "data/parquet_file.h"
#include "data/parquet_reader.h"

// Damages a good file where the input says so. Whatever it says, the work is bounded, and rows
// under the schema or nothing come of it.

namespace assay::data {
namespace {

Batch sample_rows() {
  const SchemaPtr schema = make_schema({{"b", Type::kBool},
                                        {"i", Type::kInt32},
                                        {"l", Type::kInt64},
                                        {"d", Type::kFloat64},
                                        {"s", Type::kString},
                                        {"m", Type::decimal(38, 2)}});
  BatchBuilder builder(schema);
  for (int64_t row = 0; row < 60; ++row) {
    const bool is_null = row % 7 == 0;
    const std::vector<Scalar> values = {Scalar::boolean(row % 2 == 0),
                                        Scalar::int32(static_cast<int32_t>(row % 3)),
                                        Scalar::int64(row * 1'000'003),
                                        Scalar::float64(static_cast<double>(row) / 7),
                                        Scalar::string("text " + std::to_string(row % 4)),
                                        {Type::decimal(38, 2), Int128{row} << 70}};
    for (int column = 0; column < schema->size(); ++column) {
      ColumnBuilder& to = builder.column(column);
      is_null ? to.append_null() : to.append_scalar(values[static_cast<std::size_t>(column)]);
    }
  }
  return builder.finish();
}

std::string bytes_of(const Batch& rows) {
  ParquetEncoder encoder;
  ParquetFile file(rows.schema_ptr(), "assay");
  std::string bytes(ParquetFile::kBegin);
  for (int64_t row = 0; row < rows.rows(); row += 30) {
    const std::vector<Batch> part{rows.slice(row, row + 30)};
    const ParquetRowGroup group = encoder.encode(part).value();
    file.add(group);
    bytes += group.bytes;
  }
  return bytes + file.end();
}

/// Three bytes of the input are a change: where, and to what.
void read(const uint8_t* input, std::size_t size) {
  static const Batch rows = sample_rows();
  static const std::string good = bytes_of(rows);
  static ParquetReader reader(rows.schema_ptr(), std::size_t{1} << 20);
  std::string bytes = good;
  for (std::size_t i = 0; i + 2 < size; i += 3) {
    const std::size_t at = (std::size_t{input[i]} << 8 | input[i + 1]) % bytes.size();
    bytes[at] = static_cast<char>(input[i + 2]);
  }
  static const std::vector<int> some = {1, 4};
  const std::optional<Batch> part = reader.read(bytes, some);
  const std::optional<Batch> read = reader.read(bytes);
  ASSAY_CHECK(!read || (part && part->rows() == read->rows()));
  ASSAY_CHECK(size >= 3 || (read && content_hash(*read) == content_hash(rows)));
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::read(bytes, size);
  return 0;
}
