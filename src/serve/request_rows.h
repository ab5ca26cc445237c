#pragma once

#include "gold/service.h"
#include "serve/get.h"
#include "serve/http_server.h"
#include "serve/json_request.h"

namespace assay::serve {

/// The rows of a request, typed by a service, or the response that says what is wrong with them.
struct TypedRows {
  RequestRows rows;
  std::vector<std::string> entity_names;  // the service's keys in request order
  std::optional<Response> refusal;
};

/// Take what a service needs out of `entities`: its keys and request values. Other names are
/// ignored.
///
/// Errors  404: a request value is missing (Feast's class for it); 422: a key is missing, lists
/// differ in
///         length, a value is not of its type; 413: more than kCellsMax values would be answered.
TypedRows type_rows(const gold::Service& service, const std::vector<JsonColumn>& entities);

/// Rows times features that one request may ask for.
inline constexpr int64_t kCellsMax = 1'000'000;

}  // namespace assay::serve
