#include "data/duckdb_vectors.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>

#include <duckdb.h>

#include "base/json_writer.h"

namespace assay::data {
namespace {

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

static_assert(sizeof(duckdb_string_t) == 16 && offsetof(duckdb_string_t, value.pointer.ptr) == 8);

/// As duckdb.h draws it: short texts stand in the value itself.
std::string_view view_of(const duckdb_string_t& text) {
  const auto& in_place = text.value.inlined;
  return {in_place.length <= sizeof in_place.inlined ? in_place.inlined : text.value.pointer.ptr,
          in_place.length};
}

std::string_view text_at(duckdb_vector vector, idx_t row) {
  return view_of(value_at<duckdb_string_t>(vector, row));
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

/// Call `on_valid(first, last)` and `on_null()` for the runs of a validity mask in [begin, end).
template <typename OnValid, typename OnNull>
void for_runs(const uint64_t* validity, idx_t begin, idx_t end, OnValid on_valid, OnNull on_null) {
  if (validity == nullptr) {
    on_valid(begin, end);
    return;
  }
  idx_t row = begin;
  while (row < end) {
    idx_t last = row;
    while (last < end && ((validity[last >> 6] >> (last & 63)) & 1) != 0) {
      ++last;
    }
    if (last > row) {
      on_valid(row, last);
    }
    for (; last < end && ((validity[last >> 6] >> (last & 63)) & 1) == 0; ++last) {
      on_null();
    }
    row = last;
  }
}

/// Rows [begin, end) of one vector on their way into a builder.
struct Slice {
  const VectorType& type;
  duckdb_vector vector;
  idx_t begin;
  idx_t end;

  [[nodiscard]] const uint64_t* validity() const { return duckdb_vector_get_validity(vector); }
  template <typename T>
  [[nodiscard]] const T* values() const {
    return static_cast<const T*>(duckdb_vector_get_data(vector));
  }
};

template <typename T>
void append_plain(const Slice& slice, ColumnBuilder& out) {
  const T* values = slice.values<T>();
  const uint64_t* validity = slice.validity();
  if (validity == nullptr) {
    out.append_block(values + slice.begin, static_cast<int64_t>(slice.end - slice.begin));
    return;
  }
  constexpr idx_t kBlock = 2'048;
  std::array<T, kBlock> held;
  std::array<uint8_t, kBlock> is_null;
  for (idx_t begin = slice.begin; begin < slice.end; begin += kBlock) {
    const idx_t count = std::min(kBlock, slice.end - begin);
    for (idx_t i = 0; i < count; ++i) {
      const idx_t row = begin + i;
      const bool valid = ((validity[row >> 6] >> (row & 63)) & 1) != 0;
      is_null[i] = valid ? 0 : 1;
      held[i] = valid ? values[row] : T{};
    }
    out.append_block(held.data(), is_null.data(), static_cast<int64_t>(count));
  }
}

template <typename From, typename To, typename Convert>
void append_converted(const Slice& slice, ColumnBuilder& out, Convert convert) {
  const From* from = slice.values<From>();
  std::vector<To> to(slice.end - slice.begin);
  std::transform(from + slice.begin, from + slice.end, to.begin(), convert);
  for_runs(
      slice.validity(),
      slice.begin,
      slice.end,
      [&](idx_t first, idx_t last) {
        out.append_block(to.data() + (first - slice.begin), static_cast<int64_t>(last - first));
      },
      [&] { out.append_null(); });
}

/// Scale to microseconds; what does not fit (DuckDB's infinities) becomes the nearest end.
int64_t scaled(int64_t value, int64_t factor) {
  int64_t out = 0;
  if (__builtin_mul_overflow(value, factor, &out)) {
    return value < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return out;
}

std::size_t bytes_of(const duckdb_string_t* texts, idx_t first, idx_t last) {
  std::size_t bytes = 0;
  for (idx_t row = first; row < last; ++row) {
    bytes += texts[row].value.inlined.length;
  }
  return bytes;
}

/// Texts of which none is null. Those in place are copied with what stands behind them: twelve
/// bytes at once are quicker than a few.
void append_text_run(const duckdb_string_t* texts, idx_t first, idx_t last, ColumnBuilder& out) {
  constexpr std::size_t kInPlace = sizeof texts->value.inlined.inlined;
  static_assert(kInPlace <= ColumnBuilder::kSpareTextBytes);
  ColumnBuilder::TextRoom room =
      out.append_texts(static_cast<int64_t>(last - first), bytes_of(texts, first, last));
  int32_t end = room.begin;
  for (idx_t row = first; row < last; ++row) {
    const auto& in_place = texts[row].value.inlined;
    if (in_place.length <= kInPlace) {
      std::memcpy(room.bytes, in_place.inlined, kInPlace);
    } else {
      std::memcpy(room.bytes, texts[row].value.pointer.ptr, in_place.length);
    }
    room.bytes += in_place.length;
    end += static_cast<int32_t>(in_place.length);
    *room.ends++ = end;
  }
}

void append_text(const Slice& slice, ColumnBuilder& out) {
  const auto* texts = slice.values<duckdb_string_t>();
  for_runs(
      slice.validity(),
      slice.begin,
      slice.end,
      [&](idx_t first, idx_t last) { append_text_run(texts, first, last, out); },
      [&] { out.append_null(); });
}

void append_decimals(const Slice& slice, ColumnBuilder& out) {
  const auto widen = [](auto value) { return Int128{value}; };
  switch (slice.type.decimal_width) {
    case 2:
      return append_converted<int16_t, Int128>(slice, out, widen);
    case 4:
      return append_converted<int32_t, Int128>(slice, out, widen);
    case 8:
      return append_converted<int64_t, Int128>(slice, out, widen);
    default:
      return append_plain<Int128>(slice, out);
  }
}

Status append_slice(const Slice& slice, ColumnBuilder& out);

bool has_null(duckdb_vector vector, idx_t begin, idx_t end) {
  bool found = false;
  for_runs(
      duckdb_vector_get_validity(vector), begin, end, [](idx_t, idx_t) {}, [&] { found = true; });
  return found;
}

bool has_null_key(duckdb_vector entries, idx_t begin, idx_t end) {
  return has_null(entries, begin, end) ||
         has_null(duckdb_struct_vector_get_child(entries, 0), begin, end);
}

/// Elements of the rows [first, last), of which none is null. Rows that lie one behind the other in
/// the child vector, as they usually do, are copied at once.
Status append_elements(const Slice& slice, idx_t first, idx_t last, ColumnBuilder& out) {
  const auto* entries = slice.values<duckdb_list_entry>();
  const duckdb_vector child = duckdb_list_vector_get_child(slice.vector);
  const bool is_map = slice.type.type == Type::kMap;
  std::vector<int32_t> sizes;
  sizes.reserve(last - first);
  for (idx_t row = first; row < last;) {
    const idx_t begin = entries[row].offset;
    idx_t end = begin;
    while (row < last && entries[row].offset == end) {
      end += entries[row].length;
      sizes.push_back(static_cast<int32_t>(entries[row].length));
      ++row;
    }
    if (is_map && has_null_key(child, begin, end)) {
      return {Code::kInvalidArgument, "a map in the result has a null key"};
    }
    ASSAY_RETURN_IF_ERROR(append_slice({slice.type.children[0], child, begin, end}, out.child(0)));
  }
  out.append_lists(sizes.data(), nullptr, static_cast<int64_t>(sizes.size()));
  return {};
}

Status append_lists(const Slice& slice, ColumnBuilder& out) {
  Status status;
  for_runs(
      slice.validity(),
      slice.begin,
      slice.end,
      [&](idx_t first, idx_t last) {
        if (status.ok()) {
          status = append_elements(slice, first, last, out);
        }
      },
      [&] { out.append_null(); });
  return status;
}

/// Arrays and structs: the children have a fixed number of values for each row.
Status append_fixed(const Slice& slice, ColumnBuilder& out) {
  const bool is_array = slice.type.type == Type::kArray;
  const idx_t values = is_array ? static_cast<idx_t>(slice.type.type.array_size()) : 1;
  Status status;
  const auto append_run = [&](idx_t first, idx_t last) {
    for (std::size_t i = 0; i < slice.type.children.size() && status.ok(); ++i) {
      const duckdb_vector child = is_array ? duckdb_array_vector_get_child(slice.vector)
                                           : duckdb_struct_vector_get_child(slice.vector, i);
      status = append_slice({slice.type.children[i], child, first * values, last * values},
                            out.child(static_cast<int>(i)));
    }
    if (status.ok()) {
      out.append_blocks(nullptr, static_cast<int64_t>(last - first));
    }
  };
  for_runs(slice.validity(), slice.begin, slice.end, append_run, [&] { out.append_null(); });
  return status;
}

void append_fixed_width(const Slice& slice, ColumnBuilder& out) {
  const auto widen = [](auto value) { return static_cast<int32_t>(value); };
  switch (slice.type.duckdb_type) {
    case DUCKDB_TYPE_BOOLEAN:
      return append_plain<uint8_t>(slice, out);
    case DUCKDB_TYPE_TINYINT:
      return append_plain<int8_t>(slice, out);
    case DUCKDB_TYPE_SMALLINT:
      return append_plain<int16_t>(slice, out);
    case DUCKDB_TYPE_UTINYINT:
      return append_converted<uint8_t, int32_t>(slice, out, widen);
    case DUCKDB_TYPE_USMALLINT:
      return append_converted<uint16_t, int32_t>(slice, out, widen);
    case DUCKDB_TYPE_UINTEGER:
      return append_converted<uint32_t, int64_t>(slice, out, [](uint32_t v) { return int64_t{v}; });
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return append_plain<int32_t>(slice, out);
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return append_plain<int64_t>(slice, out);
    case DUCKDB_TYPE_FLOAT:
      return append_plain<float>(slice, out);
    case DUCKDB_TYPE_DOUBLE:
      return append_plain<double>(slice, out);
    case DUCKDB_TYPE_TIMESTAMP_S:
      return append_converted<int64_t, int64_t>(
          slice, out, [](int64_t v) { return scaled(v, 1'000'000); });
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return append_converted<int64_t, int64_t>(
          slice, out, [](int64_t v) { return scaled(v, 1000); });
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return append_converted<int64_t, int64_t>(
          slice, out, [](int64_t v) { return v / 1000 - (v % 1000 < 0 ? 1 : 0); });
    default:
      return append_decimals(slice, out);
  }
}

Status append_slice(const Slice& slice, ColumnBuilder& out) {
  switch (slice.type.duckdb_type) {
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
      append_text(slice, out);
      return {};
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_MAP:
      return append_lists(slice, out);
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_STRUCT:
      return append_fixed(slice, out);
    default:
      append_fixed_width(slice, out);
      return {};
  }
}

std::size_t text_bytes(duckdb_vector vector, std::size_t rows) {
  std::size_t bytes = 0;
  const auto* texts = static_cast<const duckdb_string_t*>(duckdb_vector_get_data(vector));
  for_runs(
      duckdb_vector_get_validity(vector),
      0,
      rows,
      [&](idx_t first, idx_t last) { bytes += bytes_of(texts, first, last); },
      [] {});
  return bytes;
}

std::size_t list_extent(const VectorType& type, duckdb_vector vector, std::size_t rows) {
  const auto* entries = static_cast<const duckdb_list_entry*>(duckdb_vector_get_data(vector));
  std::size_t elements = 0;
  for (idx_t row = 0; row < rows; ++row) {
    elements += row_is_valid(vector, row) ? entries[row].length : 0;
  }
  const idx_t held = duckdb_list_vector_get_size(vector);
  const std::size_t inner =
      vector_extent(type.children[0], duckdb_list_vector_get_child(vector), held);
  // Rows may share elements in the vector; in a column each has its own.
  const std::size_t times = held == 0 ? 1 : (elements + held - 1) / held;
  return elements + inner * std::max<std::size_t>(times, 1);
}

}  // namespace

Status append_vector(const VectorType& type,
                     _duckdb_vector* vector,
                     std::size_t rows,
                     ColumnBuilder& out) {
  return append_slice({type, vector, 0, rows}, out);
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

std::size_t vector_extent(const VectorType& type, _duckdb_vector* vector, std::size_t rows) {
  switch (type.duckdb_type) {
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
      return text_bytes(vector, rows);
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_MAP:
      return type.known ? list_extent(type, vector, rows) : 0;
    case DUCKDB_TYPE_ARRAY:
      return type.known ? vector_extent(type.children[0],
                                        duckdb_array_vector_get_child(vector),
                                        rows * static_cast<std::size_t>(type.type.array_size()))
                        : 0;
    case DUCKDB_TYPE_STRUCT: {
      std::size_t total = 0;
      for (std::size_t i = 0; i < type.children.size() && type.known; ++i) {
        total += vector_extent(type.children[i], duckdb_struct_vector_get_child(vector, i), rows);
      }
      return total;
    }
    default:
      return 0;
  }
}

}  // namespace assay::data
