#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace assay::lake {

/// Conditions, as SQL text, that must all hold for a row of one scan to matter. Empty: every row
/// may.
using ScanFilters = std::vector<std::string>;

/// The scans of each table in a plan of the engine (EXPLAIN (FORMAT JSON)) in which table i of the
/// statement is a table `stub.main.t<i>` with columns c0, c1, ...: by i, in the plan's order. The
/// conditions speak of the columns by the names given, quoted.
///
/// Errors  kCorrupt: no JSON.
Result<std::map<std::size_t, std::vector<ScanFilters>>> filters_in_plan(
    std::string_view plan_json,
    std::string_view stub,
    const std::vector<std::vector<std::string>>& column_names);

/// Conditions of one scan from the engine's text: `lines` joined by newlines, one condition a line
/// save for newlines inside quotes. `c0` outside of quotes becomes the first column's name in
/// quotes.
ScanFilters split_filters(std::string_view lines, const std::vector<std::string>& column_names);

/// The members of an OR, when the condition is one: `a = 1 OR a = 2`. Else the condition alone.
std::vector<std::string> split_or(const std::string& condition);

}  // namespace assay::lake
