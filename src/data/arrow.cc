#include "data/arrow.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace assay::data {
namespace {

constexpr const char* format_of(Type type) {
  switch (type) {
    case Type::kBool:
      return "b";
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
  }
  return "n";
}

// What an exported struct keeps alive until its release is called. Children are released by their
// parent's release, so they own their memory themselves.
struct SchemaHolder {
  std::string name;
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
  auto* holder = new SchemaHolder{field.name, {}, {}};
  *schema = {};
  schema->format = format_of(field.type);
  schema->name = holder->name.c_str();
  schema->flags = field.nullable ? 2 : 0;
  schema->release = release_schema;
  schema->private_data = holder;
}

void export_column(const ColumnPtr& column, ArrowArray* array) {
  auto* holder = new ArrayHolder{};
  holder->column = column;
  *array = {};
  array->length = column->size();
  array->null_count = column->null_count();
  array->n_buffers = is_text(column->type()) ? 3 : 2;
  holder->buffers[0] = column->null_count() == 0 ? nullptr : column->validity_buffer().data();
  if (is_text(column->type())) {
    holder->buffers[1] = column->offset_buffer().data();
    holder->buffers[2] = column->value_buffer().data();
  } else if (column->type() == Type::kBool) {
    holder->packed_bits.assign(static_cast<std::size_t>(column->size() / 8 + 1), 0);
    const std::span<const uint8_t> values = column->values<uint8_t>();
    for (std::size_t row = 0; row < values.size(); ++row) {
      holder->packed_bits[row >> 3] |=
          static_cast<uint8_t>((values[row] != 0 ? 1U : 0U) << (row & 7));
    }
    holder->buffers[1] = holder->packed_bits.data();
  } else {
    holder->buffers[1] = column->value_buffer().data();
  }
  array->buffers = holder->buffers.data();
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
  std::string_view format;  // a trailing ':' matches any zone
  Type type;
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
    ImportRow{"c", Type::kInt32, append_number<int8_t, int32_t>},
    ImportRow{"s", Type::kInt32, append_number<int16_t, int32_t>},
    ImportRow{"i", Type::kInt32, append_number<int32_t, int32_t>},
    ImportRow{"l", Type::kInt64, append_number<int64_t, int64_t>},
    ImportRow{"f", Type::kFloat32, append_number<float, float>},
    ImportRow{"g", Type::kFloat64, append_number<double, double>},
    ImportRow{"u", Type::kString, append_text_at<int32_t>},
    ImportRow{"U", Type::kString, append_text_at<int64_t>},
    ImportRow{"z", Type::kBytes, append_text_at<int32_t>},
    ImportRow{"Z", Type::kBytes, append_text_at<int64_t>},
    ImportRow{"tdD", Type::kDate, append_number<int32_t, int32_t>},
    ImportRow{"tss:", Type::kTimestamp, append_number<int64_t, int64_t, 1'000'000>},
    ImportRow{"tsm:", Type::kTimestamp, append_number<int64_t, int64_t, 1'000>},
    ImportRow{"tsu:", Type::kTimestamp, append_number<int64_t, int64_t>},
};

const ImportRow* import_of(std::string_view format) {
  for (const ImportRow& row : kImports) {
    const bool any_zone = row.format.back() == ':';
    if (any_zone ? format.substr(0, row.format.size()) == row.format : format == row.format) {
      return &row;
    }
  }
  return nullptr;
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
    const ImportRow* import = import_of(field.format);
    if (import == nullptr) {
      return Status(Code::kUnimplemented,
                    "column `" + std::string(field.name) +
                        "` has a type that is not supported: Arrow format `" + field.format + "`");
    }
    ColumnBuilder builder(import->type);
    builder.reserve(array.length);
    for (int64_t row = 0; row < array.length; ++row) {
      const int64_t index = array.offset + values.offset + row;
      if (values.buffers[0] != nullptr && !bit_at(values.buffers[0], index)) {
        builder.append_null();
      } else {
        import->append(values, index, builder);
      }
    }
    fields.push_back({field.name, import->type, (field.flags & 2) != 0});
    columns.push_back(builder.finish());
  }
  return Batch(make_schema(std::move(fields)), std::move(columns), array.length);
}

}  // namespace

void export_batch(const Batch& batch, ArrowSchema* schema, ArrowArray* array) {
  const auto count = static_cast<std::size_t>(batch.column_count());
  auto* schema_holder = new SchemaHolder{"", std::vector<ArrowSchema>(count), {}};
  auto* array_holder = new ArrayHolder{};
  array_holder->children.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    export_field(batch.schema().field(static_cast<int>(i)), &schema_holder->children[i]);
    export_column(batch.column_ptr(static_cast<int>(i)), &array_holder->children[i]);
    schema_holder->pointers.push_back(&schema_holder->children[i]);
    array_holder->pointers.push_back(&array_holder->children[i]);
  }
  *schema = {};
  schema->format = "+s";
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
