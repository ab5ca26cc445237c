#pragma once

#include <string>

#include "catalog/parse_sections.h"

namespace assay::catalog {

/// Read a feature that is short for an expression: `clock`, `rate` or `trend`. False when the
/// section has none of these keys. `tz`: the view's time zone.
///
/// `clock: hour`                    the hour of the question on a wall clock of the zone
/// `rate: clicks, over: 24h`        clicks_24h per hour
/// `trend: clicks, over: [1h, 24h]` the rate of the first window over that of the second
bool read_temporal(ParseContext& context,
                   const SectionReader& reader,
                   const std::string& tz,
                   FeatureDef* feature);

}  // namespace assay::catalog
