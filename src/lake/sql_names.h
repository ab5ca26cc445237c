#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::lake {

/// `VERSION AS OF 12` or `TIMESTAMP AS OF '...'` behind a name.
struct TimeTravel {
  std::optional<std::string> version;  // digits
  std::optional<std::string> time;     // text of the literal
  std::size_t begin = 0;               // bytes of the clause in the SQL text
  std::size_t end = 0;
};

/// A name as it stands in SQL text: words joined by dots.
struct SqlName {
  std::vector<std::string> parts;  // without quotes, in lower case (SQL's names know no case)
  std::size_t begin = 0;           // bytes in the text
  std::size_t end = 0;
  std::optional<TimeTravel> travel;
};

/// All names of an SQL text, keywords among them, in order. Strings (also E'...' and $$...$$),
/// comments (nested too) and numbers hold none. Understood behind a name are
/// `[FOR] VERSION AS OF 12`, `[FOR] TIMESTAMP AS OF [TIMESTAMP[TZ] | DATE] '...'` and DuckDB's own
/// `AT (VERSION => 12)` and `AT (TIMESTAMP => ...)`.
///
/// Cost    O(bytes). A text that is cut off inside a string or comment ends there.
std::vector<SqlName> names_in_sql(std::string_view sql);

/// "line 2, column 7" of a byte of the text; columns count characters.
std::string position_in_sql(std::string_view sql, std::size_t at);

}  // namespace assay::lake
