#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "data/scalar.h"
#include "data/type.h"

namespace assay::data {

/// Bytes at a 64-byte boundary, as Arrow asks; grows like a vector, new bytes are zero.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const uint8_t* data() const { return data_; }
  uint8_t* data() { return data_; }
  void resize(std::size_t size);
  void reserve(std::size_t capacity);
  void append(const void* bytes, std::size_t size);

 private:
  uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// One immutable column in Arrow's layout: validity bitmap (absent when nothing is null), values,
/// and int32 offsets for text. kBool holds one byte a value here and is packed to bits on export.
///
/// Nulls   the value under a null is zero (or empty text), so equal columns have equal bytes.
/// Threads immutable.
class Column {
 public:
  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] int64_t size() const { return size_; }
  [[nodiscard]] int64_t null_count() const { return null_count_; }
  [[nodiscard]] bool is_null(int64_t row) const {
    return null_count_ != 0 && ((validity_.data()[row >> 3] >> (row & 7)) & 1) == 0;
  }
  [[nodiscard]] bool is_valid(int64_t row) const { return !is_null(row); }

  /// Values of a fixed-width column: uint8_t for kBool, int32_t for kInt32 and kDate, int64_t for
  /// kInt64 and kTimestamp, float, double. The memory is the column's.
  template <typename T>
  [[nodiscard]] std::span<const T> values() const& {
    check_width(sizeof(T));
    return {reinterpret_cast<const T*>(values_.data()), static_cast<std::size_t>(size_)};
  }
  template <typename T>
  std::span<const T> values() const&& = delete;

  /// Text of one row; empty for null. The memory is the column's.
  [[nodiscard]] std::string_view text(int64_t row) const& {
    const auto* offset = reinterpret_cast<const int32_t*>(offsets_.data()) + row;
    return {reinterpret_cast<const char*>(values_.data()) + offset[0],
            static_cast<std::size_t>(offset[1] - offset[0])};
  }
  std::string_view text(int64_t row) const&& = delete;

  [[nodiscard]] Scalar scalar(int64_t row) const;
  [[nodiscard]] const Buffer& validity_buffer() const { return validity_; }
  [[nodiscard]] const Buffer& value_buffer() const { return values_; }
  [[nodiscard]] const Buffer& offset_buffer() const { return offsets_; }
  /// Bytes held.
  [[nodiscard]] std::size_t bytes() const {
    return validity_.size() + values_.size() + offsets_.size();
  }

 private:
  friend class ColumnBuilder;
  void check_width(std::size_t width) const;

  Type type_ = Type::kInt64;
  int64_t size_ = 0;
  int64_t null_count_ = 0;
  Buffer validity_;
  Buffer values_;
  Buffer offsets_;
};

using ColumnPtr = std::shared_ptr<const Column>;

/// Builds one column row by row, or block by block.
///
/// Threads one thread at a time.
class ColumnBuilder {
 public:
  explicit ColumnBuilder(Type type);
  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] int64_t size() const { return column_->size_; }
  void reserve(int64_t rows);

  void append_null();
  /// For fixed-width types; T as in Column::values.
  template <typename T>
  void append(T value) {
    Buffer& values = column_->values_;
    values.append(&value, sizeof(T));
    mark_valid();
  }
  void append_text(std::string_view text);
  /// Any type; the scalar's type must be the builder's.
  void append_scalar(const Scalar& scalar);
  /// Row `row` of a column of the same type.
  void append_from(const Column& column, int64_t row);
  /// `count` values at once, all valid; T as in Column::values.
  template <typename T>
  void append_block(const T* values, int64_t count) {
    column_->values_.append(values, sizeof(T) * static_cast<std::size_t>(count));
    mark_valid_block(count);
  }

  /// `count` values at once, null where `is_null` is not 0; the values there must be zero.
  template <typename T>
  void append_block(const T* values, const uint8_t* is_null, int64_t count) {
    column_->values_.append(values, sizeof(T) * static_cast<std::size_t>(count));
    mark_block(is_null, count);
  }
  /// All rows of a column of the same type.
  void append_column(const Column& column);

  /// The column; the builder is empty afterwards and can be used again.
  ColumnPtr finish();

 private:
  void mark_valid();
  void mark_valid_block(int64_t count);
  void mark_block(const uint8_t* is_null, int64_t count);
  void start_validity();
  void mark_null();

  Type type_;
  std::shared_ptr<Column> column_;
};

/// Rows of `column` at `rows`, in that order; a row of -1 gives null.
ColumnPtr take(const Column& column, std::span<const int64_t> rows);
/// `size` copies of one value.
ColumnPtr constant_column(const Scalar& scalar, int64_t size);

}  // namespace assay::data
