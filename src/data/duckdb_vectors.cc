#include "data/duckdb_vectors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <duckdb.h>

#include "base/json_writer.h"
#include "data/sql_engine.h"

namespace assay::data {
namespace {

struct DestroyLogicalType {
  void operator()(duckdb_logical_type type) const { duckdb_destroy_logical_type(&type); }
};
using LogicalType = std::unique_ptr<std::remove_pointer_t<duckdb_logical_type>, DestroyLogicalType>;

std::string_view unknown_type_name(int type) {
  switch (type) {
    case DUCKDB_TYPE_UBIGINT:
      return "UBIGINT";
    case DUCKDB_TYPE_HUGEINT:
      return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT:
      return "UHUGEINT";
    case DUCKDB_TYPE_DECIMAL:
      return "DECIMAL";
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_TZ:
    case DUCKDB_TYPE_TIME_NS:
      return "TIME";
    case DUCKDB_TYPE_INTERVAL:
      return "INTERVAL";
    case DUCKDB_TYPE_ENUM:
      return "ENUM";
    case DUCKDB_TYPE_LIST:
      return "LIST";
    case DUCKDB_TYPE_STRUCT:
      return "STRUCT";
    case DUCKDB_TYPE_MAP:
      return "MAP";
    case DUCKDB_TYPE_ARRAY:
      return "ARRAY";
    case DUCKDB_TYPE_UUID:
      return "UUID";
    case DUCKDB_TYPE_UNION:
      return "UNION";
    case DUCKDB_TYPE_BIT:
      return "BIT";
    default:
      return "a type without a counterpart";
  }
}

/// The SQL type to advise in place of one that Batch does not know.
std::string_view advised_type(int type) {
  switch (type) {
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
      return "BIGINT";
    case DUCKDB_TYPE_DECIMAL:
      return "DOUBLE";
    default:
      return "VARCHAR";
  }
}

// ---- Nested values as JSON
// --------------------------------------------------------------------------

bool row_is_valid(duckdb_vector vector, idx_t row) {
  uint64_t* validity = duckdb_vector_get_validity(vector);
  return validity == nullptr || duckdb_validity_row_is_valid(validity, row);
}

template <typename T>
const T& value_at(duckdb_vector vector, idx_t row) {
  return static_cast<const T*>(duckdb_vector_get_data(vector))[row];
}

std::string_view text_at(duckdb_vector vector, idx_t row) {
  auto* text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + row;
  return {duckdb_string_t_data(text), duckdb_string_t_length(*text)};
}

Status write_json(JsonWriter& json, duckdb_logical_type type, duckdb_vector vector, idx_t row);

Status write_json_list(JsonWriter& json,
                       duckdb_logical_type type,
                       duckdb_vector vector,
                       idx_t row) {
  const LogicalType child(duckdb_list_type_child_type(type));
  const duckdb_vector values = duckdb_list_vector_get_child(vector);
  const auto entry = value_at<duckdb_list_entry>(vector, row);
  json.begin_array();
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    ASSAY_RETURN_IF_ERROR(write_json(json, child.get(), values, i));
  }
  json.end_array();
  return {};
}

Status write_json_struct(JsonWriter& json,
                         duckdb_logical_type type,
                         duckdb_vector vector,
                         idx_t row) {
  json.begin_object();
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    char* name = duckdb_struct_type_child_name(type, i);
    json.key(name);
    duckdb_free(name);
    const LogicalType child(duckdb_struct_type_child_type(type, i));
    ASSAY_RETURN_IF_ERROR(
        write_json(json, child.get(), duckdb_struct_vector_get_child(vector, i), row));
  }
  json.end_object();
  return {};
}

/// A map is an object; its keys must be text. In memory it is a list of (key, value) structs.
Status write_json_map(JsonWriter& json, duckdb_logical_type type, duckdb_vector vector, idx_t row) {
  const LogicalType key_type(duckdb_map_type_key_type(type));
  const LogicalType value_type(duckdb_map_type_value_type(type));
  if (duckdb_get_type_id(key_type.get()) != DUCKDB_TYPE_VARCHAR) {
    return {Code::kInvalidArgument, "a map whose keys are not text has no text form here"};
  }
  const duckdb_vector entries = duckdb_list_vector_get_child(vector);
  const duckdb_vector keys = duckdb_struct_vector_get_child(entries, 0);
  const duckdb_vector values = duckdb_struct_vector_get_child(entries, 1);
  const auto entry = value_at<duckdb_list_entry>(vector, row);
  json.begin_object();
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    json.key(text_at(keys, i));
    ASSAY_RETURN_IF_ERROR(write_json(json, value_type.get(), values, i));
  }
  json.end_object();
  return {};
}

/// Only for statements that cannot stand in a FROM clause (COPY ... RETURN_STATS): the others are
/// rewritten, and DuckDB makes the text.
Status write_json(JsonWriter& json, duckdb_logical_type type, duckdb_vector vector, idx_t row) {
  if (!row_is_valid(vector, row)) {
    json.null();
    return {};
  }
  const duckdb_type id = duckdb_get_type_id(type);
  switch (id) {
    case DUCKDB_TYPE_VARCHAR:
      json.string(text_at(vector, row));
      return {};
    case DUCKDB_TYPE_BOOLEAN:
      json.boolean(value_at<bool>(vector, row));
      return {};
    case DUCKDB_TYPE_INTEGER:
      json.integer(value_at<int32_t>(vector, row));
      return {};
    case DUCKDB_TYPE_BIGINT:
      json.integer(value_at<int64_t>(vector, row));
      return {};
    case DUCKDB_TYPE_UBIGINT:
      json.raw(std::to_string(value_at<uint64_t>(vector, row)));
      return {};
    case DUCKDB_TYPE_DOUBLE:
      json.number(value_at<double>(vector, row));
      return {};
    case DUCKDB_TYPE_LIST:
      return write_json_list(json, type, vector, row);
    case DUCKDB_TYPE_STRUCT:
      return write_json_struct(json, type, vector, row);
    case DUCKDB_TYPE_MAP:
      return write_json_map(json, type, vector, row);
    default:
      return {Code::kInvalidArgument,
              "no text form for " + std::string(unknown_type_name(id)) +
                  " in the result of this statement"};
  }
}

// ---- Vectors to columns
// -----------------------------------------------------------------------------

/// Call `on_valid(begin, end)` and `on_null()` for the runs of a validity mask.
template <typename OnValid, typename OnNull>
void for_runs(const uint64_t* validity, idx_t size, OnValid on_valid, OnNull on_null) {
  idx_t row = 0;
  while (row < size) {
    idx_t end = row;
    while (end < size && ((validity[end >> 6] >> (end & 63)) & 1) != 0) {
      ++end;
    }
    if (end > row) {
      on_valid(row, end);
    }
    for (; end < size && ((validity[end >> 6] >> (end & 63)) & 1) == 0; ++end) {
      on_null();
    }
    row = end;
  }
}

template <typename T>
void append_values(const T* values, const uint64_t* validity, idx_t size, ColumnBuilder& out) {
  if (validity == nullptr) {
    out.append_block(values, static_cast<int64_t>(size));
    return;
  }
  for_runs(
      validity,
      size,
      [&](idx_t begin, idx_t end) {
        out.append_block(values + begin, static_cast<int64_t>(end - begin));
      },
      [&] { out.append_null(); });
}

template <typename From, typename To, typename Convert>
void append_converted(duckdb_vector vector, idx_t size, ColumnBuilder& out, Convert convert) {
  const auto* from = static_cast<const From*>(duckdb_vector_get_data(vector));
  std::vector<To> to(size);
  std::transform(from, from + size, to.begin(), convert);
  append_values(to.data(), duckdb_vector_get_validity(vector), size, out);
}

template <typename T>
void append_plain(duckdb_vector vector, idx_t size, ColumnBuilder& out) {
  append_values(static_cast<const T*>(duckdb_vector_get_data(vector)),
                duckdb_vector_get_validity(vector),
                size,
                out);
}

/// Scale to microseconds; what does not fit (DuckDB's infinities) becomes the nearest end.
int64_t scaled(int64_t value, int64_t factor) {
  int64_t out = 0;
  if (__builtin_mul_overflow(value, factor, &out)) {
    return value < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return out;
}

void append_text(duckdb_vector vector, idx_t size, ColumnBuilder& out) {
  auto* texts = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
  const uint64_t* validity = duckdb_vector_get_validity(vector);
  const auto append_run = [&](idx_t begin, idx_t end) {
    for (idx_t row = begin; row < end; ++row) {
      out.append_text({duckdb_string_t_data(&texts[row]), duckdb_string_t_length(texts[row])});
    }
  };
  if (validity == nullptr) {
    append_run(0, size);
  } else {
    for_runs(validity, size, append_run, [&] { out.append_null(); });
  }
}

}  // namespace

// ---- Types
// ------------------------------------------------------------------------------------------

std::optional<Type> type_from_duckdb(int duckdb_type) {
  switch (duckdb_type) {
    case DUCKDB_TYPE_BOOLEAN:
      return Type::kBool;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
      return Type::kInt32;
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_BIGINT:
      return Type::kInt64;
    case DUCKDB_TYPE_FLOAT:
      return Type::kFloat32;
    case DUCKDB_TYPE_DOUBLE:
      return Type::kFloat64;
    case DUCKDB_TYPE_VARCHAR:
      return Type::kString;
    case DUCKDB_TYPE_BLOB:
      return Type::kBytes;
    case DUCKDB_TYPE_DATE:
      return Type::kDate;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return Type::kTimestamp;
    default:
      return std::nullopt;
  }
}

int duckdb_type_of(Type type) {
  switch (type) {
    case Type::kBool:
      return DUCKDB_TYPE_BOOLEAN;
    case Type::kInt32:
      return DUCKDB_TYPE_INTEGER;
    case Type::kInt64:
      return DUCKDB_TYPE_BIGINT;
    case Type::kFloat32:
      return DUCKDB_TYPE_FLOAT;
    case Type::kFloat64:
      return DUCKDB_TYPE_DOUBLE;
    case Type::kString:
      return DUCKDB_TYPE_VARCHAR;
    case Type::kBytes:
      return DUCKDB_TYPE_BLOB;
    case Type::kDate:
      return DUCKDB_TYPE_DATE;
    case Type::kTimestamp:
      return DUCKDB_TYPE_TIMESTAMP_TZ;
  }
  return DUCKDB_TYPE_INVALID;
}

bool is_nested_in_duckdb(int duckdb_type) {
  return duckdb_type == DUCKDB_TYPE_LIST || duckdb_type == DUCKDB_TYPE_STRUCT ||
         duckdb_type == DUCKDB_TYPE_MAP || duckdb_type == DUCKDB_TYPE_ARRAY ||
         duckdb_type == DUCKDB_TYPE_UNION;
}

Status refuse_duckdb_type(std::string_view column, int duckdb_type) {
  std::string message = "column " + std::string(column) + " has type " +
                        std::string(unknown_type_name(duckdb_type)) +
                        ", which a batch cannot hold; write CAST(" + SqlEngine::identifier(column) +
                        " AS " + std::string(advised_type(duckdb_type)) + ")";
  return {Code::kInvalidArgument, std::move(message)};
}

// ---- Vectors
// ----------------------------------------------------------------------------------------

void append_vector(int duckdb_type, _duckdb_vector* vector, std::size_t rows, ColumnBuilder& out) {
  const auto widen = [](auto value) { return static_cast<int32_t>(value); };
  switch (duckdb_type) {
    case DUCKDB_TYPE_BOOLEAN:
      return append_plain<uint8_t>(vector, rows, out);
    case DUCKDB_TYPE_TINYINT:
      return append_converted<int8_t, int32_t>(vector, rows, out, widen);
    case DUCKDB_TYPE_SMALLINT:
      return append_converted<int16_t, int32_t>(vector, rows, out, widen);
    case DUCKDB_TYPE_UTINYINT:
      return append_converted<uint8_t, int32_t>(vector, rows, out, widen);
    case DUCKDB_TYPE_USMALLINT:
      return append_converted<uint16_t, int32_t>(vector, rows, out, widen);
    case DUCKDB_TYPE_UINTEGER:
      return append_converted<uint32_t, int64_t>(
          vector, rows, out, [](uint32_t v) { return int64_t{v}; });
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return append_plain<int32_t>(vector, rows, out);
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return append_plain<int64_t>(vector, rows, out);
    case DUCKDB_TYPE_FLOAT:
      return append_plain<float>(vector, rows, out);
    case DUCKDB_TYPE_DOUBLE:
      return append_plain<double>(vector, rows, out);
    case DUCKDB_TYPE_TIMESTAMP_S:
      return append_converted<int64_t, int64_t>(
          vector, rows, out, [](int64_t v) { return scaled(v, 1'000'000); });
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return append_converted<int64_t, int64_t>(
          vector, rows, out, [](int64_t v) { return scaled(v, 1000); });
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return append_converted<int64_t, int64_t>(
          vector, rows, out, [](int64_t v) { return v / 1000 - (v % 1000 < 0 ? 1 : 0); });
    default:
      return append_text(vector, rows, out);
  }
}

Status append_vector_as_json(_duckdb_vector* vector, std::size_t rows, ColumnBuilder& out) {
  const LogicalType type(duckdb_vector_get_column_type(vector));
  for (idx_t row = 0; row < rows; ++row) {
    if (!row_is_valid(vector, row)) {
      out.append_null();
      continue;
    }
    std::string text;
    JsonWriter json(text);
    ASSAY_RETURN_IF_ERROR(write_json(json, type.get(), vector, row));
    out.append_text(text);
  }
  return {};
}

std::size_t vector_text_bytes(_duckdb_vector* vector, std::size_t rows) {
  std::size_t bytes = 0;
  const auto* texts = static_cast<const duckdb_string_t*>(duckdb_vector_get_data(vector));
  for (idx_t row = 0; row < rows; ++row) {
    if (row_is_valid(vector, row)) {
      bytes += duckdb_string_t_length(texts[row]);
    }
  }
  return bytes;
}

void fill_vector(const Column& column, int64_t begin, int64_t end, _duckdb_vector* vector) {
  const auto rows = static_cast<std::size_t>(end - begin);
  if (column.null_count() != 0) {
    duckdb_vector_ensure_validity_writable(vector);
    std::memcpy(duckdb_vector_get_validity(vector),
                column.validity_buffer().data() + begin / 8,
                (rows + 7) / 8);
  }
  const auto width = static_cast<std::size_t>(value_width(column.type()));
  if (width != 0) {
    std::memcpy(duckdb_vector_get_data(vector),
                column.value_buffer().data() + static_cast<std::size_t>(begin) * width,
                rows * width);
    return;
  }
  for (int64_t row = begin; row < end; ++row) {
    if (column.is_valid(row)) {
      const std::string_view text = column.text(row);
      duckdb_vector_assign_string_element_len(
          vector, static_cast<idx_t>(row - begin), text.data(), text.size());
    }
  }
}

}  // namespace assay::data
