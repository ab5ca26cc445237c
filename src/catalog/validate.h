#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "catalog/diagnostics.h"
#include "catalog/parse.h"
#include "data/schema.h"

namespace assay::catalog {

/// Schema of a silver table, system columns included; only the SQL engine knows it. Not called for
/// tables whose definitions, or those they are made from, had errors.
using SchemaResolver =
    std::function<Result<data::SchemaPtr>(const Project&, const std::string& silver)>;

/// Check what single definitions cannot: references, names, types, expressions, circles.
///
/// Without a resolver, columns and expressions over silver tables are left to the rooms that
/// compile them. Definitions in `parsed.broken` are looked into only as far as they make sense.
/// Shape   sorted by file and line; sources empty (they are in parsed.diagnostics).
/// Threads one thread at a time when the resolver is.
Diagnostics validate(const ParsedProject& parsed, const SchemaResolver& silver_schema = {});

/// parse_project and validate in one: parsed.diagnostics holds the findings of both.
Result<ParsedProject> load_project(World& world,
                                   const std::string& folder,
                                   const ParseOptions& options = {},
                                   const SchemaResolver& silver_schema = {});

}  // namespace assay::catalog
