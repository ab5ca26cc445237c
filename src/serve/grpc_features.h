#pragma once

#include <string>

#include "data/asof_join.h"
#include "serve/feature_server.h"

namespace assay::serve {

/// Feast's FieldStatus. It has none for a sum that does not fit: INVALID.
int field_status(data::FeatureStatus status);

/// feast.serving.GetOnlineFeaturesResponse of a question that was answered.
///
/// Threads thread-safe; memory is kept per thread.
std::string features_response(const FeaturesAsked& asked, bool with_views);

}  // namespace assay::serve
