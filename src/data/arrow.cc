#include "data/arrow.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::data {
namespace {

std::string format_of(const Type& type) {
  switch (type) {
    case Type::kBool:
      return "b";
    case Type::kInt8:
      return "c";
    case Type::kInt16:
      return "s";
    case Type::kInt32:
      return "i";
    case Type::kInt64:
      return "l";
    case Type::kFloat32:
      return "f";
    case Type::kFloat64:
      return "g";
    case Type::kString:
      return "u";
    case Type::kBytes:
      return "z";
    case Type::kDate:
      return "tdD";
    case Type::kTimestamp:
      return "tsu:UTC";
    case Type::kTimestampNtz:
      return "tsu:";
    case Type::kDecimal:
      return "d:" + std::to_string(type.precision()) + "," + std::to_string(type.scale());
    case Type::kList:
      return "+l";
    case Type::kArray:
      return "+w:" + std::to_string(type.array_size());
    case Type::kStruct:
      return "+s";
    case Type::kMap:
      return "+m";
  }
  return "n";
}

// What an exported struct keeps alive until its release is called. Children are released by their
// parent's release, so they own their memory themselves.
struct SchemaHolder {
  std::string name;
  std::string format;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
};

struct ArrayHolder {
  ColumnPtr column;
  std::vector<uint8_t> packed_bits;
  std::array<const void*, 3> buffers{};
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

void release_schema(ArrowSchema* schema) {
  for (int64_t i = 0; i < schema->n_children; ++i) {
    if (schema->children[i]->release != nullptr) {
      schema->children[i]->release(schema->children[i]);
    }
  }
  delete static_cast<SchemaHolder*>(schema->private_data);
  schema->release = nullptr;
}

void release_array(ArrowArray* array) {
  for (int64_t i = 0; i < array->n_children; ++i) {
    if (array->children[i]->release != nullptr) {
      array->children[i]->release(array->children[i]);
    }
  }
  delete static_cast<ArrayHolder*>(array->private_data);
  array->release = nullptr;
}

void export_field(const Field& field, ArrowSchema* schema) {
  auto* holder = new SchemaHolder{field.name, format_of(field.type), {}, {}};
  const std::vector<Field>& children = field.type.children();
  holder->children.resize(children.size());
  for (std::size_t i = 0; i < children.size(); ++i) {
    Field child = children[i];
    if (field.type == Type::kMap) {
      child.name = "entries";
      child.nullable = false;
    }
    export_field(child, &holder->children[i]);
    holder->pointers.push_back(&holder->children[i]);
  }
  if (field.type == Type::kMap) {
    holder->children[0].children[0]->flags = 0;  // keys are not null
  }
  *schema = {};
  schema->format = holder->format.c_str();
  schema->name = holder->name.c_str();
  schema->flags = field.nullable ? 2 : 0;
  schema->n_children = static_cast<int64_t>(children.size());
  schema->children = holder->pointers.data();
  schema->release = release_schema;
  schema->private_data = holder;
}

/// The buffers behind the validity of a column; their number.
int64_t set_buffers(const Column& column, ArrayHolder* holder) {
  switch (column.type()) {
    case Type::kString:
    case Type::kBytes:
      holder->buffers[1] = column.offset_buffer().data();
      holder->buffers[2] = column.value_buffer().data();
      return 3;
    case Type::kList:
    case Type::kMap:
      holder->buffers[1] = column.offset_buffer().data();
      return 2;
    case Type::kArray:
    case Type::kStruct:
      return 1;
    case Type::kBool: {
      holder->packed_bits.assign(static_cast<std::size_t>(column.size() / 8 + 1), 0);
      const std::span<const uint8_t> values = column.values<uint8_t>();
      for (std::size_t row = 0; row < values.size(); ++row) {
        holder->packed_bits[row >> 3] |=
            static_cast<uint8_t>((values[row] != 0 ? 1U : 0U) << (row & 7));
      }
      holder->buffers[1] = holder->packed_bits.data();
      return 2;
    }
    default:
      holder->buffers[1] = column.value_buffer().data();
      return 2;
  }
}

void export_column(const ColumnPtr& column, ArrowArray* array) {
  auto* holder = new ArrayHolder{};
  holder->column = column;
  const auto children = static_cast<std::size_t>(column->child_count());
  holder->children.resize(children);
  for (std::size_t i = 0; i < children; ++i) {
    export_column(column->child_ptr(static_cast<int>(i)), &holder->children[i]);
    holder->pointers.push_back(&holder->children[i]);
  }
  *array = {};
  array->length = column->size();
  array->null_count = column->null_count();
  array->n_buffers = set_buffers(*column, holder);
  holder->buffers[0] = column->null_count() == 0 ? nullptr : column->validity_buffer().data();
  array->buffers = holder->buffers.data();
  array->n_children = static_cast<int64_t>(children);
  array->children = holder->pointers.data();
  array->release = release_array;
  array->private_data = holder;
}

bool bit_at(const void* bits, int64_t index) {
  return ((static_cast<const uint8_t*>(bits)[index >> 3] >> (index & 7)) & 1) != 0;
}

template <typename T>
T value_at(const ArrowArray& array, int64_t index) {
  return static_cast<const T*>(array.buffers[1])[index];
}

template <typename Offset>
std::string_view text_at(const ArrowArray& array, int64_t index) {
  const auto* offsets = static_cast<const Offset*>(array.buffers[1]);
  return {static_cast<const char*>(array.buffers[2]) + offsets[index],
          static_cast<std::size_t>(offsets[index + 1] - offsets[index])};
}

using Appender = void (*)(const ArrowArray&, int64_t, ColumnBuilder&);

struct ImportRow {
  std::string_view format;  // a trailing '?' stands for any zone
  TypeId type;
  Appender append;
};

template <typename From, typename To, int64_t kScale = 1>
void append_number(const ArrowArray& array, int64_t index, ColumnBuilder& builder) {
  builder.append(
      static_cast<To>(static_cast<To>(value_at<From>(array, index)) * static_cast<To>(kScale)));
}
template <typename Offset>
void append_text_at(const ArrowArray& array, int64_t index, ColumnBuilder& builder) {
  builder.append_text(text_at<Offset>(array, index));
}
void append_bit(const ArrowArray& array, int64_t index, ColumnBuilder& builder) {
  builder.append<uint8_t>(bit_at(array.buffers[1], index) ? 1 : 0);
}

constexpr std::array kImports{
    ImportRow{"b", Type::kBool, append_bit},
    ImportRow{"c", Type::kInt8, append_number<int8_t, int8_t>},
    ImportRow{"s", Type::kInt16, append_number<int16_t, int16_t>},
    ImportRow{"i", Type::kInt32, append_number<int32_t, int32_t>},
    ImportRow{"l", Type::kInt64, append_number<int64_t, int64_t>},
    ImportRow{"f", Type::kFloat32, append_number<float, float>},
    ImportRow{"g", Type::kFloat64, append_number<double, double>},
    ImportRow{"u", Type::kString, append_text_at<int32_t>},
    ImportRow{"U", Type::kString, append_text_at<int64_t>},
    ImportRow{"z", Type::kBytes, append_text_at<int32_t>},
    ImportRow{"Z", Type::kBytes, append_text_at<int64_t>},
    ImportRow{"tdD", Type::kDate, append_number<int32_t, int32_t>},
    ImportRow{"tss:", Type::kTimestampNtz, append_number<int64_t, int64_t, 1'000'000>},
    ImportRow{"tsm:", Type::kTimestampNtz, append_number<int64_t, int64_t, 1'000>},
    ImportRow{"tsu:", Type::kTimestampNtz, append_number<int64_t, int64_t>},
    ImportRow{"tss:?", Type::kTimestamp, append_number<int64_t, int64_t, 1'000'000>},
    ImportRow{"tsm:?", Type::kTimestamp, append_number<int64_t, int64_t, 1'000>},
    ImportRow{"tsu:?", Type::kTimestamp, append_number<int64_t, int64_t>},
};

const ImportRow* import_of(std::string_view format) {
  for (const ImportRow& row : kImports) {
    const std::string_view known = row.format;
    const bool any_zone = known.back() == '?';
    if (any_zone ? format.size() >= known.size() &&
                       format.substr(0, known.size() - 1) == known.substr(0, known.size() - 1)
                 : format == known) {
      return &row;
    }
  }
  return nullptr;
}

/// What an array's type is here, and how its leaves are read.
struct ImportType {
  Type type;
  Appender append = nullptr;  // of a leaf
  bool large = false;         // a list whose offsets are int64
  std::vector<ImportType> children;
};

void append_decimal(const ArrowArray& array, int64_t index, ColumnBuilder& builder) {
  Int128 units = 0;
  std::memcpy(&units, static_cast<const uint8_t*>(array.buffers[1]) + index * 16, sizeof units);
  builder.append(units);
}

/// "d:10,2" or "d:10,2,128".
std::optional<Type> decimal_of(std::string_view format) {
  if (format.substr(0, 2) != "d:") {
    return std::nullopt;
  }
  format.remove_prefix(2);
  if (format.size() > 4 && format.substr(format.size() - 4) == ",128") {
    format.remove_suffix(4);
  }
  return type_from_name("decimal(" + std::string(format) + ")");
}

std::optional<Type> array_of(std::string_view format, const Type& element) {
  if (format.substr(0, 3) != "+w:") {
    return std::nullopt;
  }
  int size = 0;
  const auto [end, error] = std::from_chars(format.data() + 3, format.data() + format.size(), size);
  const bool good = error == std::errc() && end == format.data() + format.size() && size >= 1 &&
                    size <= Type::kArraySizeMax;
  return good ? std::optional(Type::array(element, size)) : std::nullopt;
}

std::optional<Type> nested_type_of(const ArrowSchema& schema,
                                   const std::vector<ImportType>& children) {
  const std::string_view format = schema.format;
  if (format == "+s") {
    std::vector<Field> fields;
    for (std::size_t i = 0; i < children.size(); ++i) {
      fields.push_back({schema.children[i]->name, children[i].type, true});
    }
    return !fields.empty() && names_differ(fields) ? std::optional(Type::structure(fields))
                                                   : std::nullopt;
  }
  if (children.size() != 1) {
    return std::nullopt;
  }
  const Type& child = children[0].type;
  if (format == "+l" || format == "+L") {
    return Type::list(child);
  }
  if (format == "+m") {
    const std::vector<Field>& entries = child.children();
    return child == Type::kStruct && entries.size() == 2
               ? std::optional(Type::map(entries[0].type, entries[1].type))
               : std::nullopt;
  }
  return array_of(format, child);
}

std::optional<ImportType> import_type_of(const ArrowSchema& schema) {
  if (schema.dictionary != nullptr) {
    return std::nullopt;
  }
  if (const ImportRow* leaf = import_of(schema.format)) {
    return ImportType{leaf->type, leaf->append, false, {}};
  }
  if (const std::optional<Type> decimal = decimal_of(schema.format)) {
    return ImportType{*decimal, append_decimal, false, {}};
  }
  ImportType result;
  for (int64_t i = 0; i < schema.n_children; ++i) {
    std::optional<ImportType> child = import_type_of(*schema.children[i]);
    if (!child.has_value()) {
      return std::nullopt;
    }
    result.children.push_back(*std::move(child));
  }
  const std::optional<Type> type = nested_type_of(schema, result.children);
  if (!type.has_value()) {
    return std::nullopt;
  }
  result.type = *type;
  result.large = std::string_view(schema.format) == "+L";
  return result;
}

/// Append the values at [begin, end), counted with the array's own offset. False for a null key in
/// a map.
bool append_values(const ImportType& type,
                   const ArrowArray& array,
                   int64_t begin,
                   int64_t end,
                   ColumnBuilder& builder);

bool append_children(const ImportType& type,
                     const ArrowArray& array,
                     int64_t index,
                     ColumnBuilder& builder) {
  int64_t begin = index;
  int64_t end = index + 1;
  if (type.type == Type::kArray) {
    begin = index * type.type.array_size();
    end = begin + type.type.array_size();
  } else if (type.type != Type::kStruct) {
    begin = type.large ? value_at<int64_t>(array, index) : value_at<int32_t>(array, index);
    end = type.large ? value_at<int64_t>(array, index + 1) : value_at<int32_t>(array, index + 1);
  }
  for (std::size_t i = 0; i < type.children.size(); ++i) {
    const ArrowArray& child = *array.children[i];
    if (!append_values(type.children[i],
                       child,
                       child.offset + begin,
                       child.offset + end,
                       builder.child(static_cast<int>(i)))) {
      return false;
    }
  }
  return true;
}

bool is_valid_at(const ArrowArray& array, int64_t index) {
  return array.buffers[0] == nullptr || bit_at(array.buffers[0], index);
}

/// Entries and keys of a map's row, which must not be null.
bool has_null_key(const ImportType& type, const ArrowArray& array, int64_t index) {
  if (type.type != Type::kMap) {
    return false;
  }
  const ArrowArray& entries = *array.children[0];
  const ArrowArray& keys = *entries.children[0];
  for (int64_t i = value_at<int32_t>(array, index); i < value_at<int32_t>(array, index + 1); ++i) {
    const int64_t entry = entries.offset + i;
    if (!is_valid_at(entries, entry) || !is_valid_at(keys, keys.offset + entry)) {
      return true;
    }
  }
  return false;
}

bool append_values(const ImportType& type,
                   const ArrowArray& array,
                   int64_t begin,
                   int64_t end,
                   ColumnBuilder& builder) {
  for (int64_t index = begin; index < end; ++index) {
    if (!is_valid_at(array, index)) {
      builder.append_null();
    } else if (type.append != nullptr) {
      type.append(array, index, builder);
    } else if (has_null_key(type, array, index) || !append_children(type, array, index, builder)) {
      return false;
    } else {
      builder.append_nested();
    }
  }
  return true;
}

Result<Batch> copy_batch(const ArrowSchema& schema, const ArrowArray& array) {
  if (std::string_view(schema.format) != "+s" || schema.n_children != array.n_children) {
    return Status(Code::kInvalidArgument, "expected a struct array, one field a column");
  }
  std::vector<Field> fields;
  std::vector<ColumnPtr> columns;
  for (int64_t i = 0; i < schema.n_children; ++i) {
    const ArrowSchema& field = *schema.children[i];
    const ArrowArray& values = *array.children[i];
    const std::optional<ImportType> type = import_type_of(field);
    if (!type.has_value()) {
      return Status(Code::kUnimplemented,
                    "column `" + std::string(field.name) +
                        "` has a type that is not supported: Arrow format `" + field.format + "`");
    }
    ColumnBuilder builder(type->type);
    builder.reserve(array.length);
    const int64_t begin = array.offset + values.offset;
    if (!append_values(*type, values, begin, begin + array.length, builder)) {
      return Status(Code::kInvalidArgument,
                    "column `" + std::string(field.name) + "` has a map with a null key");
    }
    fields.push_back({field.name, type->type, (field.flags & 2) != 0});
    columns.push_back(builder.finish());
  }
  return Batch(make_schema(std::move(fields)), std::move(columns), array.length);
}

}  // namespace

void export_batch(const Batch& batch, ArrowSchema* schema, ArrowArray* array) {
  const auto count = static_cast<std::size_t>(batch.column_count());
  auto* schema_holder = new SchemaHolder{"", "+s", std::vector<ArrowSchema>(count), {}};
  auto* array_holder = new ArrayHolder{};
  array_holder->children.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    export_field(batch.schema().field(static_cast<int>(i)), &schema_holder->children[i]);
    export_column(batch.column_ptr(static_cast<int>(i)), &array_holder->children[i]);
    schema_holder->pointers.push_back(&schema_holder->children[i]);
    array_holder->pointers.push_back(&array_holder->children[i]);
  }
  *schema = {};
  schema->format = schema_holder->format.c_str();
  schema->name = schema_holder->name.c_str();
  schema->n_children = static_cast<int64_t>(count);
  schema->children = schema_holder->pointers.data();
  schema->release = release_schema;
  schema->private_data = schema_holder;
  *array = {};
  array->length = batch.rows();
  array->n_buffers = 1;
  array->buffers = array_holder->buffers.data();
  array->n_children = static_cast<int64_t>(count);
  array->children = array_holder->pointers.data();
  array->release = release_array;
  array->private_data = array_holder;
}

ExportedReader::ExportedReader(BatchReader& reader) : reader_(reader) {
  stream_.private_data = this;
  stream_.get_schema = [](ArrowArrayStream* stream, ArrowSchema* out) {
    const auto& self = *static_cast<ExportedReader*>(stream->private_data);
    ArrowArray none{};
    export_batch(Batch::empty(self.reader_.schema()), out, &none);
    none.release(&none);
    return 0;
  };
  stream_.get_next = [](ArrowArrayStream* stream, ArrowArray* out) {
    return static_cast<ExportedReader*>(stream->private_data)->next(out);
  };
  stream_.get_last_error = [](ArrowArrayStream* stream) {
    return static_cast<ExportedReader*>(stream->private_data)->message_.c_str();
  };
  stream_.release = [](ArrowArrayStream* stream) { stream->release = nullptr; };
}

int ExportedReader::next(ArrowArray* out) {
  *out = {};  // without a release function: the end
  if (!status_.ok()) {
    return EIO;
  }
  Result<std::optional<Batch>> batch = reader_.next();
  if (!batch.ok()) {
    status_ = batch.status();
    message_ = status_.to_string();
    return EIO;
  }
  if (batch->has_value()) {
    ArrowSchema schema{};
    export_batch(**batch, &schema, out);
    schema.release(&schema);
  }
  return 0;
}

Result<Batch> import_batch(ArrowSchema* schema, ArrowArray* array) {
  Result<Batch> batch = copy_batch(*schema, *array);
  schema->release(schema);
  array->release(array);
  return batch;
}

}  // namespace assay::data
