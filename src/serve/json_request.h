#pragma once

#include <cstddef>
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

/// null, true or false, an integer, another number, text, an array or object, or an integer beyond
/// int64.
using JsonValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, JsonText, uint64_t>;

/// One list of `entities`.
struct JsonColumn {
  std::string name;
  std::vector<JsonValue> values;
  bool operator==(const JsonColumn&) const = default;
};

/// Body of a request for features or predictions. What it does not know is ignored, as Feast does.
struct RequestBody {
  std::vector<JsonColumn> entities;  // in request order; a name said twice counts once, the last
  std::optional<std::vector<std::string>> features;
  std::optional<std::string> feature_service;
  std::optional<std::string> model;
  bool full_feature_names = false;
  bool with_features = false;
  bool with_view_versions = false;  // include_feature_view_version_metadata
  std::optional<JsonValue> at{};    // the instant to answer for; none: now
  bool operator==(const RequestBody&) const = default;
};

/// Body of /push and /write-to-online-store.
struct WriteBody {
  std::string target;          // push_source_name or feature_view_name
  std::string to = "online";   // of /push
  bool verdicts = false;       // of /push: answer what becomes of each row
  std::vector<JsonColumn> df;  // rows, column by column
};

/// Body of /explain.
struct ExplainBody {
  std::string feature;               // "SERVICE:feature" or "VIEW:feature"
  std::vector<JsonColumn> entities;  // of one row
  std::optional<JsonValue> at{};     // the instant; none: now
};

/// Body of /materialize and /materialize-incremental; times as they were written.
struct MaterializeBody {
  std::optional<std::string> start_ts;
  std::optional<std::string> end_ts;
  std::optional<std::vector<std::string>> feature_views;
  bool disable_event_timestamp = false;
};

/// One entry of `{"detail": [...]}`.
struct FieldError {
  std::string type;  // "missing", "json_invalid", "list_type", ...
  std::vector<std::variant<std::string, int64_t>> location;  // below "body": names and indexes
  std::string message;
  std::string input = "{}";  // the JSON that was found there
  std::string reason;        // why it is no JSON
};

template <typename Body>
struct Parsed {
  Body body;
  std::vector<FieldError> errors;  // empty: the body may be used
};
using ParsedBody = Parsed<RequestBody>;

/// Names in one object or list of a body.
inline constexpr std::size_t kNamesMax = 10'000;
/// Errors of one body that are told.
inline constexpr std::size_t kFieldErrorsMax = 100;

/// Any JSON as a value: an array or object without its blanks; nothing when it is none.
std::optional<JsonValue> parse_json_value(std::string_view json);

/// Read a JSON body. Never fails otherwise than by `errors`.
///
/// Errors  not JSON, no `entities`, a list that is none, text that is none, more than kNamesMax
///         names. Integers beyond 64 bits, and nesting beyond 1024, count as not JSON. The first
///         kFieldErrorsMax of them.
/// Threads thread-safe; memory of the parser is kept per thread.
/// Cost    one pass; about four times the body's size.
ParsedBody parse_request_body(std::string_view json);
/// The same without the quick way of bodies that are as most are (serve/plain_body.h): its twin.
ParsedBody parse_any_request_body(std::string_view json);
/// The same of a body that writes; `target` is the key that says into what.
Parsed<WriteBody> parse_write_body(std::string_view json, const char* target);
Parsed<ExplainBody> parse_explain_body(std::string_view json);
/// `incremental`: end_ts must be there.
Parsed<MaterializeBody> parse_materialize_body(std::string_view json, bool incremental);

}  // namespace assay::serve
