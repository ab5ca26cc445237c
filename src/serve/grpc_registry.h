#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "serve/feast_registry.h"

namespace assay::serve {

/// What methods of Feast's registry service begin with.
inline constexpr std::string_view kRegistryService = "/feast.registry.RegistryServer/";

/// Answer a method of Feast's registry service, as far as it reads: Get and List of projects,
/// entities, data sources, feature views and services; Proto, the whole of it; Refresh. A Feast
/// client with `registry_type: remote` asks nothing else to serve and to list.
///
/// Errors  kNotFound, with the text that Feast's client makes its error from. kUnimplemented: what
///         writes; the registry is what `assay apply` made it.
Result<std::string> answer_registry(const FeastRegistry& registry,
                                    std::string_view method,
                                    std::string_view request);

}  // namespace assay::serve
