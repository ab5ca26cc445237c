// Columns into DuckDB's vectors.

#include <algorithm>
#include <cstring>

#include <duckdb.h>

#include "data/duckdb_vectors.h"

namespace assay::data {
namespace {

void fill_validity(const Column& column, int64_t begin, int64_t end, duckdb_vector vector) {
  if (column.null_count() == 0) {
    return;
  }
  duckdb_vector_ensure_validity_writable(vector);
  uint64_t* validity = duckdb_vector_get_validity(vector);
  if (begin % 8 == 0) {
    std::memcpy(validity,
                column.validity_buffer().data() + begin / 8,
                (static_cast<std::size_t>(end - begin) + 7) / 8);
    return;
  }
  for (int64_t row = begin; row < end; ++row) {
    duckdb_validity_set_row_validity(
        validity, static_cast<idx_t>(row - begin), column.is_valid(row));
  }
}

template <typename To>
void fill_decimals(const Column& column, int64_t begin, int64_t end, duckdb_vector vector) {
  const Int128* from = column.values<Int128>().data();
  std::transform(
      from + begin, from + end, static_cast<To*>(duckdb_vector_get_data(vector)), [](Int128 units) {
        return static_cast<To>(units);
      });
}

void fill_decimal_vector(const Column& column, int64_t begin, int64_t end, duckdb_vector vector) {
  const int precision = column.type().precision();  // DuckDB's widths: 4, 9, 18 and 38 digits
  if (precision <= 4) {
    fill_decimals<int16_t>(column, begin, end, vector);
  } else if (precision <= 9) {
    fill_decimals<int32_t>(column, begin, end, vector);
  } else if (precision <= 18) {
    fill_decimals<int64_t>(column, begin, end, vector);
  } else {
    fill_decimals<Int128>(column, begin, end, vector);
  }
}

void fill_texts(const Column& column, int64_t begin, int64_t end, duckdb_vector vector) {
  for (int64_t row = begin; row < end; ++row) {
    if (column.is_valid(row)) {
      const std::string_view text = column.text(row);
      duckdb_vector_assign_string_element_len(
          vector, static_cast<idx_t>(row - begin), text.data(), text.size());
    }
  }
}

void fill_lists(const Column& column, int64_t begin, int64_t end, duckdb_vector vector) {
  const int64_t first = column.elements(begin).begin;
  const int64_t last = end > begin ? column.elements(end - 1).end : first;
  duckdb_list_vector_reserve(vector, static_cast<idx_t>(last - first));
  duckdb_list_vector_set_size(vector, static_cast<idx_t>(last - first));
  auto* entries = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(vector));
  for (int64_t row = begin; row < end; ++row) {
    const ElementRange range = column.elements(row);
    entries[row - begin] = {static_cast<uint64_t>(range.begin - first),
                            static_cast<uint64_t>(range.size())};
  }
  fill_vector(column.child(0), first, last, duckdb_list_vector_get_child(vector));
}

}  // namespace

void fill_vector(const Column& column, int64_t begin, int64_t end, _duckdb_vector* vector) {
  fill_validity(column, begin, end, vector);
  switch (column.type()) {
    case Type::kString:
    case Type::kBytes:
      return fill_texts(column, begin, end, vector);
    case Type::kDecimal:
      return fill_decimal_vector(column, begin, end, vector);
    case Type::kList:
    case Type::kMap:
      return fill_lists(column, begin, end, vector);
    case Type::kArray: {
      const int64_t size = column.type().array_size();
      return fill_vector(
          column.child(0), begin * size, end * size, duckdb_array_vector_get_child(vector));
    }
    case Type::kStruct:
      for (int i = 0; i < column.child_count(); ++i) {
        fill_vector(column.child(i),
                    begin,
                    end,
                    duckdb_struct_vector_get_child(vector, static_cast<idx_t>(i)));
      }
      return;
    default: {
      const auto width = static_cast<std::size_t>(value_width(column.type()));
      std::memcpy(duckdb_vector_get_data(vector),
                  column.value_buffer().data() + static_cast<std::size_t>(begin) * width,
                  static_cast<std::size_t>(end - begin) * width);
    }
  }
}

}  // namespace assay::data
