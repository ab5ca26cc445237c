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
  /// Grow by `size` bytes that the caller writes, behind which `spare` more may be written over.
  uint8_t* extend(std::size_t size, std::size_t spare = 0);

 private:
  uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

class Column;
using ColumnPtr = std::shared_ptr<const Column>;

/// Rows [begin, end) of a child column.
struct ElementRange {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const { return end - begin; }
};

/// One immutable column in Arrow's layout: validity bitmap (absent when nothing is null), values,
/// int32 offsets for text, lists and maps, and child columns of nested types: the elements of all
/// rows of a list or array one after the other, the entries of a map as a struct of `key` and
/// `value`, the fields of a struct. kBool holds one byte a value here and is packed to bits on
/// export.
///
/// Nulls   the value under a null is zero, empty text, an empty list or map; the fields and the
///         elements of an array under a null are null. So equal columns have equal bytes.
/// Threads immutable.
class Column {
 public:
  [[nodiscard]] const Type& type() const { return type_; }
  [[nodiscard]] int64_t size() const { return size_; }
  [[nodiscard]] int64_t null_count() const { return null_count_; }
  [[nodiscard]] bool is_null(int64_t row) const {
    return null_count_ != 0 && ((validity_.data()[row >> 3] >> (row & 7)) & 1) == 0;
  }
  [[nodiscard]] bool is_valid(int64_t row) const { return !is_null(row); }

  /// Values of a fixed-width column: uint8_t for kBool, int8_t, int16_t, int32_t for kInt32 and
  /// kDate, int64_t for kInt64, kTimestamp and kTimestampNtz, float, double, Int128 for kDecimal.
  /// The memory is the column's.
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

  /// One bool, integer, date or time, widened; 0 for null. For single rows, not for loops.
  [[nodiscard]] int64_t integer(int64_t row) const;
  [[nodiscard]] Scalar scalar(int64_t row) const;

  /// Columns of Type::children.
  [[nodiscard]] int child_count() const { return static_cast<int>(children_.size()); }
  [[nodiscard]] const Column& child(int index) const& {
    return *children_[static_cast<std::size_t>(index)];
  }
  const Column& child(int index) const&& = delete;
  [[nodiscard]] const ColumnPtr& child_ptr(int index) const& {
    return children_[static_cast<std::size_t>(index)];
  }
  /// The elements of one row of a list, array or map, as rows of child(0); none for a null list.
  [[nodiscard]] ElementRange elements(int64_t row) const {
    if (type_ == TypeId::kArray) {
      return {row * type_.array_size(), (row + 1) * type_.array_size()};
    }
    const auto* offset = reinterpret_cast<const int32_t*>(offsets_.data()) + row;
    return {offset[0], offset[1]};
  }

  [[nodiscard]] const Buffer& validity_buffer() const { return validity_; }
  [[nodiscard]] const Buffer& value_buffer() const { return values_; }
  [[nodiscard]] const Buffer& offset_buffer() const { return offsets_; }
  /// Bytes held.
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class ColumnBuilder;
  void check_width(std::size_t width) const;

  Type type_ = Type::kInt64;
  int64_t size_ = 0;
  int64_t null_count_ = 0;
  Buffer validity_;
  Buffer values_;
  Buffer offsets_;
  std::vector<ColumnPtr> children_;
};

/// Builds one column row by row, or block by block.
///
/// Threads one thread at a time.
class ColumnBuilder {
 public:
  explicit ColumnBuilder(Type type);
  [[nodiscard]] const Type& type() const { return type_; }
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
  /// Room for `count` valid texts of `bytes` bytes together, which the caller writes: the texts one
  /// behind the other, and where each ends, counted on from `begin`. kSpareTextBytes behind the
  /// last text may be written over.
  struct TextRoom {
    char* bytes = nullptr;
    int32_t* ends = nullptr;
    int32_t begin = 0;
  };
  static constexpr std::size_t kSpareTextBytes = 16;
  TextRoom append_texts(int64_t count, std::size_t bytes);
  /// Builders of the children of a nested type. Fill them, then call append_nested for the row.
  ColumnBuilder& child(int index) { return children_[static_cast<std::size_t>(index)]; }
  /// A row of what was appended to the children since the last row: any number of elements of a
  /// list or map, array_size elements of an array, one value of each field of a struct. Keys of
  /// maps are not null.
  void append_nested();
  /// `count` rows at once of a list or map: `sizes[i]` elements each, which have been appended to
  /// child(0); 0 where `is_null` is not 0. `is_null` may be nullptr.
  void append_lists(const int32_t* sizes, const uint8_t* is_null, int64_t count);
  /// `count` rows at once of an array or struct whose children have been appended, null under a
  /// null.
  void append_blocks(const uint8_t* is_null, int64_t count);
  /// Any type; the scalar's type must be the builder's.
  void append_scalar(const Scalar& scalar);
  /// Row `row` of a column of the same type.
  void append_from(const Column& column, int64_t row);
  /// Rows [begin, end) of a column of the same type.
  void append_range(const Column& column, int64_t begin, int64_t end);
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
  void append_column(const Column& column) { append_range(column, 0, column.size()); }

  /// The column; the builder is empty afterwards and can be used again.
  ColumnPtr finish();

 private:
  void mark_valid();
  void mark_valid_block(int64_t count);
  void mark_block(const uint8_t* is_null, int64_t count);
  void start_validity();
  void mark_null();
  void mark_range(const Column& column, int64_t begin, int64_t end);
  void append_offsets(const Column& column, int64_t begin, int64_t end, int64_t base);
  void append_null_nested();
  void append_range_nested(const Column& column, int64_t begin, int64_t end);
  void check_children() const;

  Type type_;
  std::shared_ptr<Column> column_;
  std::vector<ColumnBuilder> children_;
};

/// Rows of `column` at `rows`, in that order; a row of -1 gives null.
ColumnPtr take(const Column& column, std::span<const int64_t> rows);
/// `size` copies of one value.
ColumnPtr constant_column(const Scalar& scalar, int64_t size);
/// True when two rows hold the same value: floating-point numbers by their bits, all NaNs alike.
/// Both columns are of one type.
bool same_value(const Column& a, int64_t row_a, const Column& b, int64_t row_b);

}  // namespace assay::data
