#include "data/batch.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "base/hash.h"
#include "base/suggest.h"

namespace assay::data {

Batch::Batch(SchemaPtr schema, std::vector<ColumnPtr> columns, int64_t rows)
    : schema_(std::move(schema)), columns_(std::move(columns)), rows_(rows) {
  ASSAY_CHECK(columns_.size() == schema_->fields().size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    ASSAY_CHECK(columns_[i]->type() == schema_->fields()[i].type && columns_[i]->size() == rows_);
  }
}

Batch Batch::empty(const SchemaPtr& schema) {
  return BatchBuilder(schema).finish();
}

const Column* Batch::find(std::string_view name) const& {
  const std::optional<int> index = schema_->find(name);
  return index.has_value() ? columns_[static_cast<std::size_t>(*index)].get() : nullptr;
}

std::size_t Batch::bytes() const {
  std::size_t total = 0;
  for (const ColumnPtr& column : columns_) {
    total += column->bytes();
  }
  return total;
}

Batch Batch::with_column(Field field, ColumnPtr column) const {
  std::vector<Field> fields = schema_->fields();
  fields.push_back(std::move(field));
  std::vector<ColumnPtr> columns = columns_;
  const int64_t rows = columns_.empty() ? column->size() : rows_;
  columns.push_back(std::move(column));
  return {make_schema(std::move(fields)), std::move(columns), rows};
}

Result<Batch> Batch::select(const std::vector<std::string>& names) const {
  std::vector<Field> fields;
  std::vector<ColumnPtr> columns;
  for (const std::string& name : names) {
    const std::optional<int> index = schema_->find(name);
    if (!index.has_value()) {
      return Status(Code::kNotFound,
                    "there is no column `" + name + "`" + did_you_mean(name, schema_->names()));
    }
    fields.push_back(schema_->field(*index));
    columns.push_back(columns_[static_cast<std::size_t>(*index)]);
  }
  return Batch(make_schema(std::move(fields)), std::move(columns), rows_);
}

Batch Batch::take(std::span<const int64_t> rows) const {
  std::vector<ColumnPtr> columns;
  columns.reserve(columns_.size());
  for (const ColumnPtr& column : columns_) {
    columns.push_back(data::take(*column, rows));
  }
  return {schema_, std::move(columns), static_cast<int64_t>(rows.size())};
}

Batch Batch::slice(int64_t begin, int64_t end) const {
  ASSAY_CHECK(0 <= begin && begin <= end && end <= rows_);
  if (begin == 0 && end == rows_) {
    return *this;
  }
  std::vector<int64_t> rows(static_cast<std::size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  return take(rows);
}

Result<Batch> concat(const SchemaPtr& schema, std::span<const Batch> batches) {
  if (batches.size() == 1 && batches.front().schema() == *schema) {
    std::vector<ColumnPtr> columns;
    for (int c = 0; c < schema->size(); ++c) {
      columns.push_back(batches.front().column_ptr(c));
    }
    return Batch(schema, std::move(columns), batches.front().rows());  // they are shared
  }
  BatchBuilder builder(schema);
  int64_t rows = 0;
  for (const Batch& batch : batches) {
    rows += batch.rows();
  }
  for (int c = 0; c < schema->size(); ++c) {
    builder.column(c).reserve(rows);  // else memory of each column is new again and again
  }
  for (const Batch& batch : batches) {
    if (batch.schema() != *schema) {
      return Status(Code::kInvalidArgument, "batches of different schemas cannot be joined");
    }
    for (int c = 0; c < batch.column_count(); ++c) {
      builder.column(c).append_column(batch.column(c));
    }
  }
  return builder.finish();
}

BatchBuilder::BatchBuilder(SchemaPtr schema) : schema_(std::move(schema)) {
  builders_.reserve(schema_->fields().size());
  for (const Field& field : schema_->fields()) {
    builders_.emplace_back(field.type);
  }
}

Batch BatchBuilder::finish() {
  const int64_t rows = this->rows();
  std::vector<ColumnPtr> columns;
  columns.reserve(builders_.size());
  for (ColumnBuilder& builder : builders_) {
    columns.push_back(builder.finish());
  }
  return {schema_, std::move(columns), rows};
}

namespace {

uint64_t hash_value(const Column& column, int64_t row, uint64_t seed);

/// Elements by their place, fields by theirs; the entries of a map in the order they are kept.
uint64_t hash_nested(const Column& column, int64_t row, uint64_t seed) {
  uint64_t hash = hash_mix(seed, 0x6e657374U);
  if (column.type() == Type::kStruct) {
    for (int i = 0; i < column.child_count(); ++i) {
      hash = hash_value(column.child(i), row, hash);
    }
    return hash;
  }
  const ElementRange range = column.elements(row);
  hash = hash_mix(hash, static_cast<uint64_t>(range.size()));
  for (int64_t element = range.begin; element < range.end; ++element) {
    hash = hash_value(column.child(0), element, hash);
  }
  return hash;
}

uint64_t hash_value(const Column& column, int64_t row, uint64_t seed) {
  if (column.is_null(row)) {
    return hash_mix(seed, 0x6e756c6cU);
  }
  if (is_text(column.type())) {
    return hash_bytes(column.text(row), seed);
  }
  uint64_t bits = 0;
  switch (column.type()) {
    case Type::kBool:
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDate:
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      bits = static_cast<uint64_t>(column.integer(row));
      break;
    case Type::kDecimal: {
      const Int128 units = column.values<Int128>()[static_cast<std::size_t>(row)];
      return hash_mix(hash_mix(seed, static_cast<uint64_t>(units)),
                      static_cast<uint64_t>(units >> 64));
    }
    case Type::kFloat32:
    case Type::kFloat64: {
      double value = column.type() == Type::kFloat32
                         ? double{column.values<float>()[static_cast<std::size_t>(row)]}
                         : column.values<double>()[static_cast<std::size_t>(row)];
      if (std::isnan(value)) {
        value = std::numeric_limits<double>::quiet_NaN();
      }
      std::memcpy(&bits, &value, sizeof bits);
      break;
    }
    case Type::kString:
    case Type::kBytes:
      break;
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      return hash_nested(column, row, seed);
  }
  return hash_mix(seed, bits);
}

}  // namespace

uint64_t content_hash(const Batch& batch) {
  std::vector<uint64_t> row_hashes(static_cast<std::size_t>(batch.rows()), 0);
  for (int c = 0; c < batch.column_count(); ++c) {
    const uint64_t seed = hash_bytes(batch.schema().field(c).name);
    for (int64_t row = 0; row < batch.rows(); ++row) {
      row_hashes[static_cast<std::size_t>(row)] += hash_value(batch.column(c), row, seed);
    }
  }
  // A sum over rows is independent of their order; mixing keeps columns from trading values.
  uint64_t total = 0;
  for (const uint64_t row_hash : row_hashes) {
    total += hash_mix(row_hash, 0x726f77U);
  }
  return total;
}

}  // namespace assay::data
