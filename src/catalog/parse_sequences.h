#pragma once

#include <optional>
#include <string_view>

#include "catalog/parse_sections.h"

namespace assay::catalog {

/// Read a feature of events in their order: `session`, `changes`, `previous`, `changed_at` or
/// `lag`, whichever `kind` is. False for other kinds.
bool read_sequence(ParseContext& context,
                   const SectionReader& reader,
                   std::string_view kind,
                   FeatureDef* feature);

/// Read a view's `session`.
SessionDef read_session(ParseContext& context, const YamlNode& node, const std::string& view);

}  // namespace assay::catalog
