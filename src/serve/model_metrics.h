#pragma once

#include <string>

#include "serve/serving_state.h"

namespace assay::serve {

/// In Prometheus' text, of each trained model: `assay_serve_model_served{model}`, whether it can be
/// asked, `assay_serve_model_of_definitions_before{model}`, whether it is asked with features that
/// stand still, and `assay_serve_model_kept{model}`, whether it is asked in an older version because
/// the one in production cannot be served.
std::string model_metrics(const ServingState& state);

}  // namespace assay::serve
