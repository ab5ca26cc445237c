#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/column.h"

// Between DuckDB's vectors and our columns; only duckdb_engine.cc uses it. DuckDB's types are named
// without its header: a duckdb_type as int, handles as pointers to their structs.

struct _duckdb_vector;
struct _duckdb_logical_type;

namespace assay::data {

/// Owns a logical type.
struct DestroyLogicalType {
  void operator()(_duckdb_logical_type* type) const;
};
using LogicalType = std::unique_ptr<_duckdb_logical_type, DestroyLogicalType>;

/// What a DuckDB type is, decided once for a result: how its values lie in a vector, and the column
/// type that holds them, if Batch has one.
struct VectorType {
  int duckdb_type = 0;
  int decimal_width = 0;  // bytes of a decimal's integer
  bool known = false;
  Type type;
  std::vector<VectorType> children;
};

/// TIMESTAMP is kTimestamp in UTC, or kTimestampNtz when `keep_ntz`.
VectorType vector_type_of(_duckdb_logical_type* type, bool keep_ntz);
/// The DuckDB type of a column type.
LogicalType logical_type_of(const Type& type);
/// "HUGEINT", ...: names for messages.
std::string_view unknown_type_name(int duckdb_type);
/// True for lists, structs, maps, arrays and unions.
bool is_nested_in_duckdb(int duckdb_type);
/// kInvalidArgument that names column and type and says which CAST to write.
Status refuse_duckdb_type(std::string_view column, int duckdb_type);

/// Append `rows` values of a vector of that type, which is known.
///
/// Errors  kInvalidArgument: a map with a null key.
Status append_vector(const VectorType& type,
                     _duckdb_vector* vector,
                     std::size_t rows,
                     ColumnBuilder& out);
/// Append nested values as JSON text.
///
/// Errors  kInvalidArgument: a leaf or map key of a type that is not written here.
Status append_vector_as_json(_duckdb_vector* vector, std::size_t rows, ColumnBuilder& out);
/// Bytes of text and number of elements that `rows` values add to a column: what its int32 offsets
/// must count. 0 for fixed-width types.
std::size_t vector_extent(const VectorType& type, _duckdb_vector* vector, std::size_t rows);

/// Copy rows [begin, end) of a column into an empty vector of its type.
void fill_vector(const Column& column, int64_t begin, int64_t end, _duckdb_vector* vector);

}  // namespace assay::data
