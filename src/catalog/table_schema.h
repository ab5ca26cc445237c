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

/// Schema of the declared columns as they are decoded, before anything is scrubbed: what
/// event_time, known_time and checks of the table are written over.
data::SchemaPtr bronze_input_schema(const BronzeDef& bronze);

/// Schema of the table that is stored: the declared columns without dropped ones (hashed, masked
/// and truncated ones are nullable strings), then event_time, known_time, sequence, dt, hr. A
/// declared column event_time is the system column of that name.
///
/// Errors  kInvalidArgument: two columns of one name, or a reserved one.
Result<data::SchemaPtr> bronze_schema(const BronzeDef& bronze);

/// Names that tables keep for themselves: event_time, known_time, sequence, dt, hr, event_date,
/// feature_date.
bool is_reserved_column(std::string_view name);

}  // namespace assay::catalog
