#pragma once

#include <string>

namespace assay::serve {

/// The server's interface as an OpenAPI 3.0 document, made from operations().
std::string openapi_document();

}  // namespace assay::serve
