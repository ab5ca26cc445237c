#pragma once

#include <cstdint>
#include <vector>

#include "base/world.h"
#include "flow/replay.h"

namespace assay::flow {

/// Instants to ask at, ascending, over the whole history of views and until the last row has left
/// all windows and is too old: about half of them ends of slides, with the microseconds beside
/// them; others where a row enters or leaves a window or grows too old, with those beside it, or
/// where a row is replaced; the rest anywhere, or behind the last row. Nothing when there are no
/// rows.
std::vector<EventTime> sample_instants(const std::vector<History>& histories,
                                       int64_t count,
                                       Random& random);

}  // namespace assay::flow
