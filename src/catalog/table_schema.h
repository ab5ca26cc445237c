#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/schema.h"

namespace assay::catalog {

enum class TableLayer { kBronze, kSilver };

/// Which table a name means where views, lookups and labels name one: the silver table of that
/// name, else the bronze one; nothing when there is neither.
std::optional<TableLayer> layer_of(const Project& project, std::string_view table);

/// System columns of tables of changes (`on_same_key: replace`): the bytes of the key, and whether
/// the row is a tombstone. A row's replaced_time is found when it is read.
inline constexpr char kRowKey[] = "row_key";
inline constexpr char kIsDeleted[] = "is_deleted";
inline constexpr char kReplacedTime[] = "replaced_time";

/// Whether the rows of a bronze or silver table are versions of their keys.
bool is_of_changes(const Project& project, std::string_view table);
/// Whether a record without the column is refused before anything else of it is looked at. A
/// tombstone needs the key alone.
bool is_always_there(const BronzeDef& bronze, const ColumnDef& column);

/// Schema of the declared columns as they are decoded, before anything is scrubbed: what
/// event_time, known_time and checks of the table are written over.
data::SchemaPtr bronze_input_schema(const BronzeDef& bronze);

/// Schema of the table that is stored: the declared columns without dropped ones (hashed, masked
/// and truncated ones are nullable strings), then event_time, known_time, sequence, of a table of
/// changes row_key and is_deleted, then dt, hr. A declared column event_time is the system column
/// of that name.
///
/// Errors  kInvalidArgument: two columns of one name, or a reserved one.
Result<data::SchemaPtr> bronze_schema(const BronzeDef& bronze);

/// Names that tables keep for themselves: event_time, known_time, sequence, dt, hr, event_date,
/// feature_date, row_key, replaced_time.
bool is_reserved_column(std::string_view name);

}  // namespace assay::catalog
