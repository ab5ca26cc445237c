#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "data/column.h"

// Between DuckDB's vectors and our columns; only duckdb_engine.cc uses it. DuckDB's types are named
// without its header: a duckdb_type as int, a duckdb_vector as pointer to its struct.

struct _duckdb_vector;

namespace assay::data {

/// The column type that holds values of a DuckDB type, or nothing when Batch has none.
std::optional<Type> type_from_duckdb(int duckdb_type);
/// The DuckDB type of a column type.
int duckdb_type_of(Type type);
/// True for lists, structs, maps, arrays and unions.
bool is_nested_in_duckdb(int duckdb_type);
/// kInvalidArgument that names column and type and says which CAST to write.
Status refuse_duckdb_type(std::string_view column, int duckdb_type);

/// Append `rows` values of a vector of that DuckDB type. The type has a counterpart
/// (type_from_duckdb).
void append_vector(int duckdb_type, _duckdb_vector* vector, std::size_t rows, ColumnBuilder& out);
/// Append nested values as JSON text.
///
/// Errors  kInvalidArgument: a leaf or map key of a type that is not written here.
Status append_vector_as_json(_duckdb_vector* vector, std::size_t rows, ColumnBuilder& out);
/// Bytes of all texts in a VARCHAR or BLOB vector.
std::size_t vector_text_bytes(_duckdb_vector* vector, std::size_t rows);

/// Copy rows [begin, end) of a column into an empty vector of its type. `begin` is a multiple of 8.
void fill_vector(const Column& column, int64_t begin, int64_t end, _duckdb_vector* vector);

}  // namespace assay::data
