#pragma once

#include "serve/http_server.h"

namespace assay::serve {

/// Name the answer by what it says (`etag`); a client that has it already gets no more than that.
void add_tag(const Request& request, Response* response);

}  // namespace assay::serve
