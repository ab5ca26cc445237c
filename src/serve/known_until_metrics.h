#pragma once

#include <string>

#include "online/online_store.h"
#include "serve/serving_state.h"

namespace assay::serve {

/// `assay_serve_view_known_until_seconds{view}` in Prometheus' text, of the views that are served
/// by now and have rows: the largest visible time of the rows that the store has applied, in
/// seconds since 1970. A view that the store cannot be asked for is not in it.
///
/// Threads thread-safe.
std::string known_until_metrics(online::OnlineStore& store, const ServingState& state);

}  // namespace assay::serve
