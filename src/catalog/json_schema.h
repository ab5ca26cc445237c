#pragma once

#include <string>

namespace assay::catalog {

/// JSON Schema (draft 2020-12) of a project's YAML files, for editors; made from the definition
/// table.
///
/// One schema for assay.yaml and all other files, so it cannot say which file a section belongs in.
std::string json_schema();

}  // namespace assay::catalog
