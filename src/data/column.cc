#include "data/column.h"

#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/memory.h"

namespace assay::data {
namespace {

constexpr std::size_t kAlignment = 64;

template <typename T>
const T* typed(const Buffer& buffer) {
  return reinterpret_cast<const T*>(buffer.data());
}

}  // namespace

Buffer::~Buffer() {
  ::operator delete (data_, std::align_val_t{kAlignment});
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

void Buffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_) {
    return;
  }
  const std::size_t rounded = (capacity + kAlignment - 1) / kAlignment * kAlignment;
  auto* grown = static_cast<uint8_t*>(::operator new (rounded, std::align_val_t{kAlignment}));
  prefer_huge_pages(grown, rounded);
  if (size_ != 0) {
    std::memcpy(grown, data_, size_);
  }
  ::operator delete (data_, std::align_val_t{kAlignment});
  data_ = grown;
  capacity_ = rounded;
}

void Buffer::resize(std::size_t size) {
  if (size > capacity_) {
    reserve(size < 2 * capacity_ ? 2 * capacity_ : size);
  }
  if (size > size_) {
    std::memset(data_ + size_, 0, size - size_);
  }
  size_ = size;
}

void Buffer::append(const void* bytes, std::size_t size) {
  if (size == 0) {
    return;
  }
  if (size_ + size > capacity_) {
    reserve(size_ + size < 2 * capacity_ ? 2 * capacity_ : size_ + size);
  }
  std::memcpy(data_ + size_, bytes, size);
  size_ += size;
}

void Column::check_width(std::size_t width) const {
  ASSAY_CHECK(static_cast<std::size_t>(value_width(type_)) == width);
}

Scalar Column::scalar(int64_t row) const {
  if (is_null(row)) {
    return Scalar::null(type_);
  }
  switch (type_) {
    case Type::kBool:
      return {type_, typed<uint8_t>(values_)[row] != 0};
    case Type::kInt32:
    case Type::kDate:
      return {type_, int64_t{typed<int32_t>(values_)[row]}};
    case Type::kInt64:
    case Type::kTimestamp:
      return {type_, typed<int64_t>(values_)[row]};
    case Type::kFloat32:
      return {type_, double{typed<float>(values_)[row]}};
    case Type::kFloat64:
      return {type_, typed<double>(values_)[row]};
    case Type::kString:
    case Type::kBytes:
      return {type_, std::string(text(row))};
  }
  return Scalar::null(type_);
}

ColumnBuilder::ColumnBuilder(Type type) : type_(type), column_(std::make_shared<Column>()) {
  column_->type_ = type;
  if (is_text(type)) {
    column_->offsets_.resize(sizeof(int32_t));
  }
}

void ColumnBuilder::reserve(int64_t rows) {
  const auto more = static_cast<std::size_t>(rows);
  if (is_text(type_)) {
    column_->offsets_.reserve(column_->offsets_.size() + more * sizeof(int32_t));
  } else {
    column_->values_.reserve(column_->values_.size() +
                             more * static_cast<std::size_t>(value_width(type_)));
  }
}

void ColumnBuilder::mark_valid() {
  Column& column = *column_;
  const int64_t row = column.size_++;
  if (column.null_count_ != 0) {
    column.validity_.resize(static_cast<std::size_t>(row / 8 + 1));
    column.validity_.data()[row >> 3] |= static_cast<uint8_t>(1U << (row & 7));
  }
}

void ColumnBuilder::mark_valid_block(int64_t count) {
  Column& column = *column_;
  if (column.null_count_ != 0) {
    column.validity_.resize(static_cast<std::size_t>((column.size_ + count + 7) / 8));
    for (int64_t row = column.size_; row < column.size_ + count; ++row) {
      column.validity_.data()[row >> 3] |= static_cast<uint8_t>(1U << (row & 7));
    }
  }
  column.size_ += count;
}

void ColumnBuilder::mark_block(const uint8_t* is_null, int64_t count) {
  int64_t nulls = 0;
  for (int64_t i = 0; i < count; ++i) {
    nulls += is_null[i] != 0 ? 1 : 0;
  }
  if (nulls == 0) {
    mark_valid_block(count);
    return;
  }
  Column& column = *column_;
  start_validity();
  column.validity_.resize(static_cast<std::size_t>((column.size_ + count + 7) / 8));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = column.size_ + i;
    if (is_null[i] == 0) {
      column.validity_.data()[row >> 3] |= static_cast<uint8_t>(1U << (row & 7));
    }
  }
  column.size_ += count;
  column.null_count_ += nulls;
}

void ColumnBuilder::start_validity() {
  Column& column = *column_;
  if (column.null_count_ != 0) {
    return;
  }
  // The first null: all rows before it are valid.
  const int64_t row = column.size_;
  column.validity_.resize(static_cast<std::size_t>(row / 8 + 1));
  std::memset(column.validity_.data(), 0xff, static_cast<std::size_t>(row / 8));
  column.validity_.data()[row >> 3] = static_cast<uint8_t>((1U << (row & 7)) - 1);
}

void ColumnBuilder::mark_null() {
  Column& column = *column_;
  start_validity();
  ++column.null_count_;
  ++column.size_;
  column.validity_.resize(static_cast<std::size_t>((column.size_ + 7) / 8));
}

void ColumnBuilder::append_null() {
  if (is_text(type_)) {
    const auto end = static_cast<int32_t>(column_->values_.size());
    column_->offsets_.append(&end, sizeof end);
  } else {
    column_->values_.resize(column_->values_.size() + static_cast<std::size_t>(value_width(type_)));
  }
  mark_null();
}

void ColumnBuilder::append_text(std::string_view text) {
  column_->values_.append(text.data(), text.size());
  ASSAY_CHECK(column_->values_.size() <= INT32_MAX);
  const auto end = static_cast<int32_t>(column_->values_.size());
  column_->offsets_.append(&end, sizeof end);
  mark_valid();
}

void ColumnBuilder::append_scalar(const Scalar& scalar) {
  if (scalar.is_null()) {
    append_null();
    return;
  }
  ASSAY_CHECK(scalar.type == type_);
  switch (type_) {
    case Type::kBool:
      append<uint8_t>(std::get<bool>(scalar.value) ? 1 : 0);
      break;
    case Type::kInt32:
    case Type::kDate:
      append(static_cast<int32_t>(std::get<int64_t>(scalar.value)));
      break;
    case Type::kInt64:
    case Type::kTimestamp:
      append(std::get<int64_t>(scalar.value));
      break;
    case Type::kFloat32:
      append(static_cast<float>(std::get<double>(scalar.value)));
      break;
    case Type::kFloat64:
      append(std::get<double>(scalar.value));
      break;
    case Type::kString:
    case Type::kBytes:
      append_text(std::get<std::string>(scalar.value));
      break;
  }
}

void ColumnBuilder::append_from(const Column& column, int64_t row) {
  ASSAY_CHECK(column.type_ == type_);
  if (column.is_null(row)) {
    append_null();
  } else if (is_text(type_)) {
    append_text(column.text(row));
  } else {
    const auto width = static_cast<std::size_t>(value_width(type_));
    column_->values_.append(column.values_.data() + static_cast<std::size_t>(row) * width, width);
    mark_valid();
  }
}

void ColumnBuilder::append_column(const Column& column) {
  ASSAY_CHECK(column.type_ == type_);
  const auto rows = static_cast<std::size_t>(column.size_);
  if (is_text(type_)) {
    const auto* offsets = typed<int32_t>(column.offsets_);
    const std::size_t first = static_cast<std::size_t>(offsets[0]);
    const std::size_t bytes = static_cast<std::size_t>(offsets[rows]) - first;
    const std::size_t base = column_->values_.size();
    ASSAY_CHECK(base + bytes <= std::numeric_limits<int32_t>::max());
    column_->values_.append(column.values_.data() + first, bytes);
    for (std::size_t row = 1; row <= rows; ++row) {
      const auto end = static_cast<int32_t>(base + static_cast<std::size_t>(offsets[row]) - first);
      column_->offsets_.append(&end, sizeof(end));
    }
  } else {
    column_->values_.append(column.values_.data(),
                            rows * static_cast<std::size_t>(value_width(type_)));
  }
  if (column.null_count_ == 0) {
    mark_valid_block(column.size_);
    return;
  }
  std::vector<uint8_t> is_null(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    is_null[row] = column.is_null(static_cast<int64_t>(row)) ? 1 : 0;
  }
  mark_block(is_null.data(), column.size_);
}

ColumnPtr ColumnBuilder::finish() {
  std::shared_ptr<Column> done = std::move(column_);
  *this = ColumnBuilder(type_);
  return done;
}

namespace {

template <typename T>
void take_fixed(const Column& column, std::span<const int64_t> rows, ColumnBuilder& builder) {
  const std::span<const T> values = column.values<T>();
  for (const int64_t row : rows) {
    if (row < 0 || column.is_null(row)) {
      builder.append_null();
    } else {
      builder.append(values[static_cast<std::size_t>(row)]);
    }
  }
}

}  // namespace

ColumnPtr take(const Column& column, std::span<const int64_t> rows) {
  ColumnBuilder builder(column.type());
  builder.reserve(static_cast<int64_t>(rows.size()));
  switch (column.type()) {
    case Type::kBool:
      take_fixed<uint8_t>(column, rows, builder);
      break;
    case Type::kInt32:
    case Type::kDate:
      take_fixed<int32_t>(column, rows, builder);
      break;
    case Type::kInt64:
    case Type::kTimestamp:
      take_fixed<int64_t>(column, rows, builder);
      break;
    case Type::kFloat32:
      take_fixed<float>(column, rows, builder);
      break;
    case Type::kFloat64:
      take_fixed<double>(column, rows, builder);
      break;
    case Type::kString:
    case Type::kBytes:
      for (const int64_t row : rows) {
        if (row < 0 || column.is_null(row)) {
          builder.append_null();
        } else {
          builder.append_text(column.text(row));
        }
      }
      break;
  }
  return builder.finish();
}

ColumnPtr constant_column(const Scalar& scalar, int64_t size) {
  ColumnBuilder builder(scalar.type);
  builder.reserve(size);
  for (int64_t i = 0; i < size; ++i) {
    builder.append_scalar(scalar);
  }
  return builder.finish();
}

}  // namespace assay::data
