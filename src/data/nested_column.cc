// Rows of lists, arrays, structs and maps: what their children hold, and how they compare.

#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "data/column.h"
#include "data/schema.h"

namespace assay::data {
namespace {

bool is_variable(TypeId type) {
  return type == TypeId::kList || type == TypeId::kMap;
}

template <typename T>
bool same_real(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
}

bool same_elements(const Column& a, ElementRange range_a, const Column& b, ElementRange range_b) {
  if (range_a.size() != range_b.size()) {
    return false;
  }
  for (int64_t i = 0; i < range_a.size(); ++i) {
    if (!same_value(a, range_a.begin + i, b, range_b.begin + i)) {
      return false;
    }
  }
  return true;
}

bool same_fields(const Column& a, int64_t row_a, const Column& b, int64_t row_b) {
  for (int i = 0; i < a.child_count(); ++i) {
    if (!same_value(a.child(i), row_a, b.child(i), row_b)) {
      return false;
    }
  }
  return true;
}

}  // namespace

// ---- Building
// ---------------------------------------------------------------------------------------

void ColumnBuilder::check_children() const {
  const int64_t rows = column_->size_;
  for (const ColumnBuilder& child : children_) {
    if (type_ == Type::kArray) {
      ASSAY_CHECK(child.size() == rows * type_.array_size());
    } else if (type_ == Type::kStruct) {
      ASSAY_CHECK(child.size() == rows);
    } else {
      const auto* end = reinterpret_cast<const int32_t*>(column_->offsets_.data()) + rows;
      ASSAY_CHECK(child.size() == *end);
    }
  }
  if (type_ == Type::kMap) {
    ASSAY_CHECK(children_[0].column_->null_count_ == 0);
    ASSAY_CHECK(children_[0].children_[0].column_->null_count_ == 0);
  }
}

void ColumnBuilder::append_nested() {
  if (is_variable(type_)) {
    const int64_t elements = children_[0].size();
    ASSAY_CHECK(elements <= std::numeric_limits<int32_t>::max());
    const auto end = static_cast<int32_t>(elements);
    column_->offsets_.append(&end, sizeof end);
  }
  mark_valid();
  check_children();
}

void ColumnBuilder::append_lists(const int32_t* sizes, const uint8_t* is_null, int64_t count) {
  const std::size_t rows = static_cast<std::size_t>(column_->size_);
  column_->offsets_.resize((rows + static_cast<std::size_t>(count) + 1) * sizeof(int32_t));
  auto* offsets = reinterpret_cast<int32_t*>(column_->offsets_.data()) + rows;
  for (int64_t i = 0; i < count; ++i) {
    ASSAY_CHECK(sizes[i] >= 0 && offsets[i] <= std::numeric_limits<int32_t>::max() - sizes[i]);
    offsets[i + 1] = offsets[i] + sizes[i];
  }
  if (is_null == nullptr) {
    mark_valid_block(count);
  } else {
    mark_block(is_null, count);
  }
  check_children();
}

void ColumnBuilder::append_blocks(const uint8_t* is_null, int64_t count) {
  if (is_null == nullptr) {
    mark_valid_block(count);
  } else {
    mark_block(is_null, count);
  }
  check_children();
}

void ColumnBuilder::append_null_nested() {
  if (is_variable(type_)) {
    const auto end = static_cast<int32_t>(children_[0].size());
    column_->offsets_.append(&end, sizeof end);
    return;
  }
  const int values = type_ == Type::kArray ? type_.array_size() : 1;
  for (ColumnBuilder& child : children_) {
    for (int i = 0; i < values; ++i) {
      child.append_null();
    }
  }
}

void ColumnBuilder::append_range_nested(const Column& column, int64_t begin, int64_t end) {
  if (is_variable(type_)) {
    const auto* offsets = reinterpret_cast<const int32_t*>(column.offsets_.data());
    const int64_t base = children_[0].size();
    const int64_t count = offsets[end] - offsets[begin];
    ASSAY_CHECK(base + count <= std::numeric_limits<int32_t>::max());
    children_[0].append_range(column.child(0), offsets[begin], offsets[end]);
    append_offsets(column, begin, end, base);
  } else {
    const int64_t values = type_ == Type::kArray ? type_.array_size() : 1;
    for (std::size_t i = 0; i < children_.size(); ++i) {
      children_[i].append_range(*column.children_[i], begin * values, end * values);
    }
  }
  mark_range(column, begin, end);
}

// ---- Comparing
// --------------------------------------------------------------------------------------

bool same_value(const Column& a, int64_t row_a, const Column& b, int64_t row_b) {
  if (a.is_null(row_a) || b.is_null(row_b)) {
    return a.is_null(row_a) && b.is_null(row_b);
  }
  const auto at_a = static_cast<std::size_t>(row_a);
  const auto at_b = static_cast<std::size_t>(row_b);
  switch (a.type()) {
    case Type::kFloat32:
      return same_real(a.values<float>()[at_a], b.values<float>()[at_b]);
    case Type::kFloat64:
      return same_real(a.values<double>()[at_a], b.values<double>()[at_b]);
    case Type::kDecimal:
      return a.values<Int128>()[at_a] == b.values<Int128>()[at_b];
    case Type::kString:
    case Type::kBytes:
      return a.text(row_a) == b.text(row_b);
    case Type::kList:
    case Type::kArray:
    case Type::kMap:
      return same_elements(a.child(0), a.elements(row_a), b.child(0), b.elements(row_b));
    case Type::kStruct:
      return same_fields(a, row_a, b, row_b);
    default:
      return a.integer(row_a) == b.integer(row_b);
  }
}

bool NestedValue::operator==(const NestedValue& other) const {
  return row == other.row ||
         (row->type() == other.row->type() && same_value(*row, 0, *other.row, 0));
}

Scalar Scalar::nested(std::shared_ptr<const Column> row) {
  ASSAY_CHECK(is_nested(row->type()) && row->size() == 1 && row->null_count() == 0);
  const Type type = row->type();
  return {type, NestedValue{std::move(row)}};
}

}  // namespace assay::data
