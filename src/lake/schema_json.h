#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/schema.h"

namespace assay::lake {

/// A schema as Delta's metaData.schemaString.
std::string schema_to_json(const data::Schema& schema);

/// The schema of a schemaString that we wrote. Arrays have the fixed size that their column's
/// metadata names.
///
/// Errors  kCorrupt: not a schema. kUnimplemented: a column of a type that we write no table with
///         (timestamp_ntz, void, variant, ...); column and type are named. What other writers'
///         tables hold, table_columns.h reads.
Result<data::SchemaPtr> schema_from_json(std::string_view text);

/// Check what a new table, or a table after an evolution, must fulfil.
///
/// Errors  kInvalidArgument: no column, two names that differ by case only, a partition column that
///         is not in the schema, is repeated or is of a type that names no folder (floating point,
///         bytes), or nothing but partition columns.
Status validate_table_schema(const data::Schema& schema,
                             const std::vector<std::string>& partition_columns);

/// Check that `wider` is `schema` with nothing or nullable columns after it; kInt32 may become
/// kInt64.
///
/// Errors  kFailedPrecondition: the first difference, in words.
Status validate_extends(const data::Schema& schema, const data::Schema& wider);

}  // namespace assay::lake
