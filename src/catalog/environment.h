#pragma once

#include "catalog/parse.h"
#include "catalog/section_reader.h"

namespace assay::catalog {

/// Replace `${VAR}`, `${VAR:-default}` and `$${` in every text of a tree; an unset variable without
/// a default is reported where it stands.
void substitute_environment(ParseContext& context, const Environment& environment, YamlNode* node);

}  // namespace assay::catalog
