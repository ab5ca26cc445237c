#pragma once

#include <string_view>

#include "serve/feast_registry.h"
#include "serve/http_server.h"

namespace assay::serve {

/// What every path of the registry begins with.
inline constexpr std::string_view kRegistryPath = "/api/v1";

/// GET below /api/v1: Feast's interface for reading a registry, which browsers of features and its
/// own tools use. Lists (`/entities`, `/data_sources`, `/feature_views`, `/features`,
/// `/feature_services`, `/projects`, `/saved_datasets`, `/permissions`), one of them by name, and
/// `/search?query=`.
///
/// Shape   lists in order of names, by `page` and `limit` (1 to 100) when both are given.
/// Errors  404: nothing of that name, another path. 422: no `project`, or a page that is no number.
Response registry_get(const FeastRegistry& registry, const Request& request);

}  // namespace assay::serve
