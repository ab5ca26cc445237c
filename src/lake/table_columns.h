#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/schema.h"

namespace assay::lake {

struct TableColumn;

/// A type of Delta's schemaString, with all below it.
struct ColumnType {
  enum class Kind { kPrimitive, kStruct, kArray, kMap };
  Kind kind = Kind::kPrimitive;
  std::string primitive;  // Delta's name: "long", "decimal(10,2)", "timestamp_ntz"
  /// A struct's fields; an array's "element"; a map's "key" and "value".
  std::vector<TableColumn> fields;
  bool operator==(const ColumnType&) const = default;
};

/// A column of a table, or a field inside one, as schemaString declares it.
struct TableColumn {
  std::string name;           // as users write it
  std::string physical_name;  // in data files, statistics and partition values
  int64_t field_id = -1;      // of column mapping; -1 for none
  bool nullable = true;
  bool widened = false;    // older files may hold it in a narrower type
  bool has_rules = false;  // invariants, generation: what a writer would have to keep
  ColumnType type;
  bool operator==(const TableColumn&) const = default;
};

/// How names in data files relate to the schema's: delta.columnMapping.mode.
enum class ColumnMapping { kNone, kByName, kById };

/// Columns of a schemaString, of any type that Delta has and we read.
///
/// Errors  kCorrupt: not a schema, or mapping without a field's physical name (or id).
///         kUnimplemented: void, variant, interval and types of later protocols; path and type are
///         named.
Result<std::vector<TableColumn>> table_columns_from_json(std::string_view text,
                                                         ColumnMapping mapping);

/// The columns under the names they have for users, of those types that batches know. Others are
/// read by SQL alone.
data::SchemaPtr batch_schema_of(const std::vector<TableColumn>& columns);

enum class NameKind { kLogical, kPhysical };

/// The SQL type, e.g. STRUCT("a" BIGINT, "l" VARCHAR[]), with the names of that kind.
std::string sql_type_of(const ColumnType& type, NameKind names);

/// SQL that turns `source`, of the type with physical names, into the type with logical ones.
std::string renamed_expression(const ColumnType& type, const std::string& source);

}  // namespace assay::lake
