#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace assay::serve {

/// An array or object as JSON, for columns that hold lists, arrays, structs or maps.
struct JsonText {
  std::string json;
  bool operator==(const JsonText&) const = default;
};

/// null, true or false, an integer, another number, text, or an array or object.
using JsonValue = std::variant<std::monostate, bool, int64_t, double, std::string, JsonText>;

/// One list of `entities`.
struct JsonColumn {
  std::string name;
  std::vector<JsonValue> values;
};

/// Body of a request for features or predictions. What it does not know is ignored, as Feast does.
struct RequestBody {
  std::vector<JsonColumn> entities;  // in request order; a name said twice counts once, the last
  std::optional<std::vector<std::string>> features;
  std::optional<std::string> feature_service;
  std::optional<std::string> model;
  bool full_feature_names = false;
  bool with_features = false;
};

/// One entry of `{"detail": [...]}`.
struct FieldError {
  std::string type;  // "missing", "json_invalid", "list_type", ...
  std::vector<std::variant<std::string, int64_t>> location;  // below "body": names and indexes
  std::string message;
  std::string input = "{}";  // the JSON that was found there
  std::string reason;        // why it is no JSON
};

struct ParsedBody {
  RequestBody body;
  std::vector<FieldError> errors;  // empty: the body may be used
};

/// Read a JSON body. Never fails otherwise than by `errors`.
///
/// Errors  not JSON, no `entities`, a list that is none, text that is none.
///         Integers beyond 64 bits, and nesting beyond 1024, count as not JSON.
/// Threads thread-safe; memory of the parser is kept per thread.
/// Cost    one pass; about four times the body's size.
ParsedBody parse_request_body(std::string_view json);

}  // namespace assay::serve
