#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "serve/access.h"
#include "serve/http_server.h"
#include "serve/json_request.h"

namespace assay::serve {

// Two shapes, both Feast's. An error with a class is a JSON string that holds JSON (its client
// decodes twice and raises that class); everything about the HTTP request itself is {"detail":
// ...}.

/// `"{\"module\": \"feast.errors\", \"class\": \"...\", \"message\": \"...\"}"`
Response feast_error(int status, std::string_view class_name, std::string_view message);
/// `{"detail": "..."}`
Response detail_error(int status, std::string_view message);
/// 422 `{"detail": [{"type", "loc", "msg", "input"}, ...]}`
Response validation_error(const std::vector<FieldError>& errors);
/// 403 in Feast's shape: the caller may not have this.
Response not_permitted(const Caller& caller, std::string_view what, std::string_view name);
/// A failure that the client did not cause. Its message names no rows.
Response failure_response(const Status& failure);

}  // namespace assay::serve
