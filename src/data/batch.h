#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/column.h"
#include "data/schema.h"

namespace assay::data {

/// Columns of equal length under a schema. Cheap to copy: columns are shared and immutable.
///
/// Threads immutable.
class Batch {
 public:
  Batch() : schema_(make_schema({})) {}
  /// Column types must be the schema's and lengths equal; else a bug of ours.
  Batch(SchemaPtr schema, std::vector<ColumnPtr> columns, int64_t rows);
  /// No rows under `schema`.
  static Batch empty(const SchemaPtr& schema);

  [[nodiscard]] const Schema& schema() const { return *schema_; }
  [[nodiscard]] const SchemaPtr& schema_ptr() const { return schema_; }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int column_count() const { return static_cast<int>(columns_.size()); }
  [[nodiscard]] const Column& column(int index) const& {
    return *columns_.at(static_cast<std::size_t>(index));
  }
  const Column& column(int index) const&& = delete;
  [[nodiscard]] const ColumnPtr& column_ptr(int index) const& {
    return columns_.at(static_cast<std::size_t>(index));
  }
  /// The column of this name, or nullptr.
  [[nodiscard]] const Column* find(std::string_view name) const&;
  [[nodiscard]] std::size_t bytes() const;

  /// The same rows with one more column.
  [[nodiscard]] Batch with_column(Field field, ColumnPtr column) const;
  /// The named columns in that order. kNotFound names a missing one.
  [[nodiscard]] Result<Batch> select(const std::vector<std::string>& names) const;
  /// Rows at `rows` in that order; -1 gives a row of nulls.
  [[nodiscard]] Batch take(std::span<const int64_t> rows) const;
  /// Rows [begin, end).
  [[nodiscard]] Batch slice(int64_t begin, int64_t end) const;

 private:
  SchemaPtr schema_;
  std::vector<ColumnPtr> columns_;
  int64_t rows_ = 0;
};

/// Rows of all batches one after the other. All schemas must be equal; no batches give an empty
/// batch.
Result<Batch> concat(const SchemaPtr& schema, std::span<const Batch> batches);

/// Builds a batch row by row: fill every builder, then finish.
class BatchBuilder {
 public:
  explicit BatchBuilder(SchemaPtr schema);
  ColumnBuilder& column(int index) { return builders_.at(static_cast<std::size_t>(index)); }
  [[nodiscard]] int64_t rows() const { return builders_.empty() ? 0 : builders_.front().size(); }
  Batch finish();

 private:
  SchemaPtr schema_;
  std::vector<ColumnBuilder> builders_;
};

/// Where batches come from, one after the other, each bounded in size.
///
/// Threads one thread at a time.
class BatchReader {
 public:
  virtual ~BatchReader() = default;
  [[nodiscard]] virtual const SchemaPtr& schema() const = 0;
  /// The next batch, never empty; nothing at the end.
  virtual Result<std::optional<Batch>> next() = 0;
};

/// Order-independent hash of a batch's rows over (column name, value) pairs: equal for equal
/// multisets of rows. -0.0 and 0.0 differ, all NaNs are equal.
uint64_t content_hash(const Batch& batch);

}  // namespace assay::data
