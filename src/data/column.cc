#include "data/column.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/memory.h"
#include "data/schema.h"

namespace assay::data {
namespace {

constexpr std::size_t kAlignment = 64;

template <typename T>
const T* typed(const Buffer& buffer) {
  return reinterpret_cast<const T*>(buffer.data());
}

}  // namespace

Buffer::~Buffer() {
  give_block(data_, capacity_);
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
  auto* grown = static_cast<uint8_t*>(take_block(rounded));
  if (size_ != 0) {
    std::memcpy(grown, data_, size_);
  }
  give_block(data_, capacity_);
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

uint8_t* Buffer::extend(std::size_t size, std::size_t spare) {
  const std::size_t needed = size_ + size + spare;
  if (needed > capacity_) {
    reserve(needed < 2 * capacity_ ? 2 * capacity_ : needed);
  }
  return data_ + std::exchange(size_, size_ + size);
}

void Column::check_width(std::size_t width) const {
  ASSAY_CHECK(static_cast<std::size_t>(value_width(type_)) == width);
}

int64_t Column::integer(int64_t row) const {
  switch (type_) {
    case Type::kBool:
      return typed<uint8_t>(values_)[row];
    case Type::kInt8:
      return typed<int8_t>(values_)[row];
    case Type::kInt16:
      return typed<int16_t>(values_)[row];
    case Type::kInt32:
    case Type::kDate:
      return typed<int32_t>(values_)[row];
    default:
      check_width(sizeof(int64_t));
      return typed<int64_t>(values_)[row];
  }
}

Scalar Column::scalar(int64_t row) const {
  if (is_null(row)) {
    return Scalar::null(type_);
  }
  switch (type_) {
    case Type::kBool:
      return {type_, typed<uint8_t>(values_)[row] != 0};
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDate:
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return {type_, integer(row)};
    case Type::kDecimal:
      return {type_, typed<Int128>(values_)[row]};
    case Type::kFloat32:
      return {type_, double{typed<float>(values_)[row]}};
    case Type::kFloat64:
      return {type_, typed<double>(values_)[row]};
    case Type::kString:
    case Type::kBytes:
      return {type_, std::string(text(row))};
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      return {type_, NestedValue{take(*this, std::span(&row, 1))}};
  }
  return Scalar::null(type_);
}

std::size_t Column::bytes() const {
  std::size_t total = validity_.size() + values_.size() + offsets_.size();
  for (const ColumnPtr& child : children_) {
    total += child->bytes();
  }
  return total;
}

ColumnBuilder::ColumnBuilder(Type type)
    : type_(std::move(type)), column_(std::make_shared<Column>()) {
  column_->type_ = type_;
  for (const Field& child : type_.children()) {
    children_.emplace_back(child.type);
  }
  if (is_text(type_) || type_ == Type::kList || type_ == Type::kMap) {
    column_->offsets_.resize(sizeof(int32_t));
  }
}

void ColumnBuilder::reserve(int64_t rows) {
  const auto more = static_cast<std::size_t>(rows);
  if (is_text(type_) || type_ == Type::kList || type_ == Type::kMap) {
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
  uint8_t* validity = column.validity_.data();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = column.size_ + i;
    validity[row >> 3] |= static_cast<uint8_t>((is_null[i] == 0 ? 1U : 0U) << (row & 7));
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
  if (is_nested(type_)) {
    append_null_nested();
  } else if (is_text(type_)) {
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

ColumnBuilder::TextRoom ColumnBuilder::append_texts(int64_t count, std::size_t bytes) {
  const std::size_t begin = column_->values_.size();
  ASSAY_CHECK(begin + bytes <= INT32_MAX);
  TextRoom room;
  room.bytes = reinterpret_cast<char*>(column_->values_.extend(bytes, kSpareTextBytes));
  room.ends = reinterpret_cast<int32_t*>(
      column_->offsets_.extend(static_cast<std::size_t>(count) * sizeof(int32_t)));
  room.begin = static_cast<int32_t>(begin);
  mark_valid_block(count);
  return room;
}

void ColumnBuilder::append_scalar(const Scalar& scalar) {
  if (scalar.is_null()) {
    append_null();
    return;
  }
  ASSAY_CHECK(scalar.type == type_);
  if (const auto* nested = std::get_if<NestedValue>(&scalar.value)) {
    append_from(*nested->row, 0);
    return;
  }
  switch (type_) {
    case Type::kBool:
      append<uint8_t>(std::get<bool>(scalar.value) ? 1 : 0);
      break;
    case Type::kInt8:
      append(static_cast<int8_t>(std::get<int64_t>(scalar.value)));
      break;
    case Type::kInt16:
      append(static_cast<int16_t>(std::get<int64_t>(scalar.value)));
      break;
    case Type::kInt32:
    case Type::kDate:
      append(static_cast<int32_t>(std::get<int64_t>(scalar.value)));
      break;
    case Type::kInt64:
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      append(std::get<int64_t>(scalar.value));
      break;
    case Type::kDecimal:
      append(std::get<Int128>(scalar.value));
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
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      break;
  }
}

void ColumnBuilder::append_from(const Column& column, int64_t row) {
  ASSAY_CHECK(column.type_ == type_);
  if (column.is_null(row)) {
    append_null();
  } else if (is_nested(type_)) {
    append_range_nested(column, row, row + 1);
  } else if (is_text(type_)) {
    append_text(column.text(row));
  } else {
    const auto width = static_cast<std::size_t>(value_width(type_));
    column_->values_.append(column.values_.data() + static_cast<std::size_t>(row) * width, width);
    mark_valid();
  }
}

void ColumnBuilder::append_range(const Column& column, int64_t begin, int64_t end) {
  ASSAY_CHECK(column.type_ == type_);
  if (is_nested(type_)) {
    append_range_nested(column, begin, end);
    return;
  }
  if (is_text(type_)) {
    const auto* offsets = typed<int32_t>(column.offsets_);
    const int64_t base = static_cast<int64_t>(column_->values_.size());
    const int64_t bytes = offsets[end] - offsets[begin];
    ASSAY_CHECK(base + bytes <= std::numeric_limits<int32_t>::max());
    column_->values_.append(column.values_.data() + offsets[begin],
                            static_cast<std::size_t>(bytes));
    append_offsets(column, begin, end, base);
  } else {
    const auto width = static_cast<std::size_t>(value_width(type_));
    column_->values_.append(column.values_.data() + static_cast<std::size_t>(begin) * width,
                            static_cast<std::size_t>(end - begin) * width);
  }
  mark_range(column, begin, end);
}

/// The offsets of rows [begin, end), whose first value now stands at `base`.
void ColumnBuilder::append_offsets(const Column& column, int64_t begin, int64_t end, int64_t base) {
  const auto* offsets = typed<int32_t>(column.offsets_);
  const std::size_t size = column_->offsets_.size();
  column_->offsets_.resize(size + static_cast<std::size_t>(end - begin) * sizeof(int32_t));
  auto* to = reinterpret_cast<int32_t*>(column_->offsets_.data() + size);
  const auto shift = static_cast<int32_t>(base - offsets[begin]);
  for (int64_t row = begin; row < end; ++row) {
    to[row - begin] = offsets[row + 1] + shift;
  }
}

void ColumnBuilder::mark_range(const Column& column, int64_t begin, int64_t end) {
  if (column.null_count_ == 0) {
    mark_valid_block(end - begin);
    return;
  }
  std::vector<uint8_t> nulls(static_cast<std::size_t>(end - begin));
  for (int64_t row = begin; row < end; ++row) {
    nulls[static_cast<std::size_t>(row - begin)] = column.is_null(row) ? 1 : 0;
  }
  mark_block(nulls.data(), end - begin);
}

ColumnPtr ColumnBuilder::finish() {
  std::shared_ptr<Column> done = std::move(column_);
  for (ColumnBuilder& child : children_) {
    done->children_.push_back(child.finish());
  }
  *this = ColumnBuilder(type_);
  return done;
}

namespace {

/// Some rows at a time, so that the builder is asked once for many.
template <typename T>
void take_fixed(const Column& column, std::span<const int64_t> rows, ColumnBuilder& builder) {
  constexpr std::size_t kAtOnce = 512;
  const std::span<const T> values = column.values<T>();
  const bool has_nulls = column.null_count() != 0;
  std::array<T, kAtOnce> taken;
  std::array<uint8_t, kAtOnce> is_null;
  for (; !rows.empty(); rows = rows.subspan(std::min(rows.size(), kAtOnce))) {
    const std::size_t count = std::min(rows.size(), kAtOnce);
    uint8_t any_null = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const int64_t row = rows[i];
      is_null[i] = row < 0 || (has_nulls && column.is_null(row)) ? 1 : 0;
      taken[i] = is_null[i] != 0 ? T{} : values[static_cast<std::size_t>(row)];
      any_null |= is_null[i];
    }
    if (any_null == 0) {
      builder.append_block(taken.data(), static_cast<int64_t>(count));
    } else {
      builder.append_block(taken.data(), is_null.data(), static_cast<int64_t>(count));
    }
  }
}

/// Runs of rows that follow each other are copied as one.
void take_nested(const Column& column, std::span<const int64_t> rows, ColumnBuilder& builder) {
  for (std::size_t at = 0; at < rows.size();) {
    if (rows[at] < 0) {
      builder.append_null();
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    while (end < rows.size() && rows[end] == rows[end - 1] + 1) {
      ++end;
    }
    builder.append_range(column, rows[at], rows[end - 1] + 1);
    at = end;
  }
}

}  // namespace

ColumnPtr take(const Column& column, std::span<const int64_t> rows) {
  ColumnBuilder builder(column.type());
  if (is_nested(column.type())) {
    take_nested(column, rows, builder);
    return builder.finish();
  }
  builder.reserve(static_cast<int64_t>(rows.size()));
  switch (column.type()) {
    case Type::kBool:
      take_fixed<uint8_t>(column, rows, builder);
      break;
    case Type::kInt8:
      take_fixed<int8_t>(column, rows, builder);
      break;
    case Type::kInt16:
      take_fixed<int16_t>(column, rows, builder);
      break;
    case Type::kInt32:
    case Type::kDate:
      take_fixed<int32_t>(column, rows, builder);
      break;
    case Type::kInt64:
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      take_fixed<int64_t>(column, rows, builder);
      break;
    case Type::kDecimal:
      take_fixed<Int128>(column, rows, builder);
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
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      break;
  }
  return builder.finish();
}

ColumnPtr constant_column(const Scalar& scalar, int64_t size) {
  ColumnBuilder builder(scalar.type);
  if (size > 0) {
    builder.append_scalar(scalar);
  }
  ColumnPtr column = builder.finish();
  while (column->size() < size) {  // twice as many each time
    builder.append_column(*column);
    builder.append_range(*column, 0, std::min(column->size(), size - column->size()));
    column = builder.finish();
  }
  return column;
}

}  // namespace assay::data
