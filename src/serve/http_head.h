#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "serve/http_server.h"

namespace assay::serve {

/// "Sat, 21 Nov 2026 04:34:34 GMT"
std::string http_date(EventTime now);

/// Append what stands before the body of an answer. `version`: 10 or 11, as the client asked.
void append_head(const Response& response,
                 std::string_view date,
                 unsigned version,
                 bool keep_alive,
                 std::string* out);

}  // namespace assay::serve
