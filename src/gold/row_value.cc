#include "gold/row_value.h"

#include <cstring>
#include <utility>

#include "data/schema.h"
#include "gold/aggregate.h"

namespace assay::gold {
namespace {

using data::Column;
using data::ColumnBuilder;
using data::ElementRange;
using data::Type;

/// Types whose values lie in memory one behind the other, as wide as in a file of ours.
bool is_plain_memory(data::TypeId type) {
  return data::value_width(type) != 0 && type != data::TypeId::kBool;
}

bool has_null(const Column& column, int64_t begin, int64_t end) {
  for (int64_t row = begin; column.null_count() != 0 && row < end; ++row) {
    if (column.is_null(row)) {
      return true;
    }
  }
  return false;
}

void append_optional(std::string* out, const Column& column, int64_t row) {
  out->push_back(column.is_null(row) ? 0 : 1);
  if (column.is_valid(row)) {
    append_row_value(out, column, row);
  }
}

void append_elements(std::string* out, const Column& column, ElementRange range) {
  const bool nulls = has_null(column, range.begin, range.end);
  out->push_back(nulls ? 1 : 0);
  if (!nulls && is_plain_memory(column.type())) {
    const auto width = static_cast<std::size_t>(data::value_width(column.type()));
    const auto* first = reinterpret_cast<const char*>(column.value_buffer().data()) +
                        static_cast<std::size_t>(range.begin) * width;
    out->append(first, static_cast<std::size_t>(range.size()) * width);
    return;
  }
  for (int64_t row = range.begin; row < range.end; ++row) {
    if (nulls) {
      append_optional(out, column, row);
    } else {
      append_row_value(out, column, row);
    }
  }
}

void append_decimal(std::string* out, data::Int128 units) {
  append_fixed64(out, static_cast<uint64_t>(units));
  append_fixed64(out, static_cast<uint64_t>(units >> 64));
}

bool read_value(RowReader* reader, ColumnBuilder* builder);

bool read_optional(RowReader* reader, ColumnBuilder* builder) {
  if (reader->byte() == 0) {
    builder->append_null();
    return !reader->failed();
  }
  return read_value(reader, builder);
}

template <typename T>
bool read_block(RowReader* reader, int64_t count, ColumnBuilder* builder) {
  const std::string_view bytes = reader->take(static_cast<uint64_t>(count) * sizeof(T));
  if (reader->failed()) {
    return false;
  }
  std::vector<T> values(static_cast<std::size_t>(count));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  builder->append_block(values.data(), count);
  return true;
}

bool read_plain(RowReader* reader, int64_t count, ColumnBuilder* builder) {
  if (builder->type() == Type::kFloat32) {
    return read_block<float>(reader, count, builder);
  }
  if (builder->type() == Type::kFloat64) {
    return read_block<double>(reader, count, builder);
  }
  switch (data::value_width(builder->type())) {
    case 1:
      return read_block<int8_t>(reader, count, builder);
    case 2:
      return read_block<int16_t>(reader, count, builder);
    case 4:
      return read_block<int32_t>(reader, count, builder);
    case 8:
      return read_block<int64_t>(reader, count, builder);
    default:
      return read_block<data::Int128>(reader, count, builder);
  }
}

bool read_elements(RowReader* reader, int64_t count, ColumnBuilder* builder) {
  const bool nulls = reader->byte() != 0;
  // Every element takes a byte at least: a longer list cannot be there.
  if (reader->failed() || static_cast<uint64_t>(count) > reader->remaining()) {
    reader->fail();
    return false;
  }
  if (!nulls && is_plain_memory(builder->type())) {
    return read_plain(reader, count, builder);
  }
  for (int64_t i = 0; i < count; ++i) {
    if (!(nulls ? read_optional(reader, builder) : read_value(reader, builder))) {
      return false;
    }
  }
  return true;
}

bool read_list(RowReader* reader, ColumnBuilder* builder) {
  const uint64_t count = builder->type() == Type::kArray
                             ? static_cast<uint64_t>(builder->type().array_size())
                             : reader->varint();
  if (reader->failed() || count > reader->remaining() ||
      !read_elements(reader, static_cast<int64_t>(count), &builder->child(0))) {
    reader->fail();
    return false;
  }
  builder->append_nested();
  return true;
}

bool read_map(RowReader* reader, ColumnBuilder* builder) {
  const uint64_t count = reader->varint();
  ColumnBuilder& entries = builder->child(0);
  if (reader->failed() || count > reader->remaining()) {
    reader->fail();
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (!read_value(reader, &entries.child(0)) || !read_optional(reader, &entries.child(1))) {
      return false;
    }
    entries.append_nested();
  }
  builder->append_nested();
  return true;
}

bool read_value(RowReader* reader, ColumnBuilder* builder) {
  switch (builder->type()) {
    case Type::kList:
    case Type::kArray:
      return read_list(reader, builder);
    case Type::kMap:
      return read_map(reader, builder);
    case Type::kStruct: {
      for (int i = 0; i < static_cast<int>(builder->type().children().size()); ++i) {
        if (!read_optional(reader, &builder->child(i))) {
          return false;
        }
      }
      builder->append_nested();
      return true;
    }
    default: {
      const data::Scalar value = read_row_value(reader, builder->type());
      if (!reader->failed()) {
        builder->append_scalar(value);
      }
      return !reader->failed();
    }
  }
}

/// A value as it lies in memory.
void append_plain(std::string* out, data::TypeId type, const InputValue& value) {
  char bytes[sizeof(int64_t)];
  const auto width = static_cast<std::size_t>(data::value_width(type));
  if (type == Type::kFloat32) {
    const auto narrow = static_cast<float>(value.real);
    std::memcpy(bytes, &narrow, width);
  } else if (type == Type::kFloat64) {
    std::memcpy(bytes, &value.real, width);
  } else {
    std::memcpy(bytes, &value.integer, width);
  }
  out->append(bytes, width);
}

data::Scalar scalar_of_input(const Type& type, const InputValue& value) {
  if (data::is_text(type)) {
    return {type, std::string(value.text)};
  }
  if (data::is_real(type)) {
    return {type, value.real};
  }
  return scalar_of(type, {static_cast<uint64_t>(value.integer), false});
}

}  // namespace

void append_row_value(std::string* out, const Column& column, int64_t row) {
  switch (column.type()) {
    case Type::kDecimal:
      append_decimal(out, column.values<data::Int128>()[static_cast<std::size_t>(row)]);
      return;
    case Type::kList:
      append_varint(out, static_cast<uint64_t>(column.elements(row).size()));
      append_elements(out, column.child(0), column.elements(row));
      return;
    case Type::kArray:
      append_elements(out, column.child(0), column.elements(row));
      return;
    case Type::kMap: {
      const ElementRange range = column.elements(row);
      append_varint(out, static_cast<uint64_t>(range.size()));
      for (int64_t entry = range.begin; entry < range.end; ++entry) {
        append_row_value(out, column.child(0).child(0), entry);
        append_optional(out, column.child(0).child(1), entry);
      }
      return;
    }
    case Type::kStruct:
      for (int i = 0; i < column.child_count(); ++i) {
        append_optional(out, column.child(i), row);
      }
      return;
    default:
      append_input(out, column.type(), input_value(column, row));
  }
}

void append_list_value(std::string* out, data::TypeId element, std::span<const InputValue> values) {
  append_varint(out, values.size());
  out->push_back(0);  // no element is null
  for (const InputValue& value : values) {
    if (is_plain_memory(element)) {
      append_plain(out, element, value);
    } else {
      append_input(out, element, value);
    }
  }
}

data::Scalar read_row_value(RowReader* reader, const Type& type) {
  if (type == Type::kDecimal) {
    const uint64_t low = reader->fixed64();
    const auto high = static_cast<int64_t>(reader->fixed64());
    return {type, (data::Int128{high} << 64) | low};
  }
  if (!data::is_nested(type)) {
    return scalar_of_input(type, read_input(reader, type));
  }
  ColumnBuilder builder(type);
  if (!read_value(reader, &builder)) {
    return data::Scalar::null(type);
  }
  return data::Scalar::nested(builder.finish());
}

}  // namespace assay::gold
