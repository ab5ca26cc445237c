#pragma once

#include <map>
#include <string>

#include "base/status.h"
#include "catalog/definitions.h"
#include "serve/json_request.h"

namespace assay::serve {

/// A view whose rows are those of a source, column by column: what is written into it is a row of
/// the source. All of its features are `latest`, and SQL between the two at most renames columns.
struct WrittenView {
  std::string source;
  const catalog::BronzeDef* table = nullptr;   // the one table that reads the source
  std::map<std::string, std::string> columns;  // of the table, by the names of the view
};

/// `project` must outlive what is found.
/// Errors  kUnimplemented: rows of the view are not those of a source, and why. The message names
///         tables and sources.
Result<WrittenView> find_written_view(const catalog::Project& project, const std::string& view);

/// Rows for the view's source, from rows as Feast's clients write them into the view: keys and
/// features by their names there, `event_timestamp`, and `created`, which counts only where the
/// table has a column for it. Times may be numbers, seconds since the epoch.
///
/// Errors  kInvalidArgument: a column of the table is missing, or is there twice; a time is none.
Result<WriteBody> rows_of_source(const WrittenView& view, const WriteBody& written);

}  // namespace assay::serve
