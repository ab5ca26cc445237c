#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "serve/http_server.h"
#include "serve/predict.h"
#include "serve/request_rows.h"
#include "serve/selection.h"

namespace assay::serve {

/// The body of /get-online-features: join keys in request order, then features in selection order.
std::string render_features(const Selection& selection,
                            const TypedRows& typed,
                            const FeatureAnswer& answer,
                            bool with_view_versions);

/// The body of /predict.
std::string render_predictions(const ServingModel& model,
                               const Predictions& predictions,
                               bool with_features);

/// A body with what `assay verify` needs to ask the offline side the same question.
Response answered(std::string body, EventTime now, std::optional<EventTime> known_until);

/// A status as JSON.
inline constexpr std::size_t kStatusBytesMax = 24;
std::string_view status_text(data::FeatureStatus status);

/// The views of an answer, as a JSON array. A definition that changes is a new view here, so there
/// are no versions.
std::string view_metadata(const gold::Service& service);

}  // namespace assay::serve
