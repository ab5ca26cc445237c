#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace assay::serve {

/// A Feast repository as definitions.
struct FeastImport {
  std::string project;
  std::string yaml;                // sources, bronze, entities, feature_views, services
  std::vector<std::string> notes;  // what was left out or needs a look, a line each
};

/// Turn the bytes of Feast's registry file into definitions that keep its meaning: each feature
/// view reads its batch source as a source of Parquet files, and keeps the newest value of each
/// column.
///
/// Paths that are relative are those below `folder`.
/// Order   by name within each section, so that the same registry gives the same text.
/// Errors  kInvalidArgument: not a registry, or it has no feature view of files.
Result<FeastImport> import_feast(std::string_view registry, const std::string& folder = "");

}  // namespace assay::serve
