// The one file that speaks simdjson.

#include "serve/json_request.h"

#include <optional>

#include <simdjson.h>

#include "serve/column_list.h"
#include "serve/plain_body.h"

namespace assay::serve {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string to_json(const element& value) {
  return simdjson::minify(value);
}

using Location = std::vector<std::variant<std::string, int64_t>>;

/// Reads fields of a body, and notes what is wrong with them.
class FieldReader {
 public:
  std::vector<FieldError> errors;

  /// Any value.
  static JsonValue value_of(const element& value) { return read_value(value); }

  /// The body's object, or nothing when it is none.
  std::optional<simdjson::dom::object> object_of(const element& root) {
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) {
      add("model_attributes_type",
          {},
          "Input should be a valid dictionary or object to extract fields from",
          root);
      return std::nullopt;
    }
    return object;
  }

  void missing(const char* name, const element& root) {
    add("missing", {name}, "Field required", root);
  }

  std::vector<JsonColumn> read_columns(const char* name, const element& found) {
    simdjson::dom::object object;
    if (found.get(object) != simdjson::SUCCESS) {
      add("dict_type", {name}, "Input should be a valid dictionary", found);
      return {};
    }
    if (object.size() > kNamesMax) {
      too_long(name, "Dictionary", object.size());
      return {};
    }
    ColumnList columns;
    for (const simdjson::dom::key_value_pair field : object) {
      simdjson::dom::array array;
      if (field.value.get(array) != simdjson::SUCCESS) {
        add("list_type",
            {name, std::string(field.key)},
            "Input should be a valid list",
            field.value);
        continue;
      }
      std::vector<JsonValue> values;
      for (const element value : array) {
        values.push_back(read_value(value));
      }
      columns.put(field.key, std::move(values));
    }
    return columns.take();
  }

  std::optional<std::vector<std::string>> read_names(const char* name, const element& found) {
    if (found.is_null()) {
      return std::nullopt;
    }
    simdjson::dom::array array;
    if (found.get(array) != simdjson::SUCCESS) {
      add("list_type", {name}, "Input should be a valid list", found);
      return std::nullopt;
    }
    if (array.size() > kNamesMax) {
      too_long(name, "List", array.size());
      return std::nullopt;
    }
    std::vector<std::string> names;
    for (const element value : array) {
      std::string_view text;
      if (value.get(text) != simdjson::SUCCESS) {
        add("string_type",
            {name, static_cast<int64_t>(names.size())},
            "Input should be a valid string",
            value);
        return std::nullopt;
      }
      names.emplace_back(text);
    }
    return names;
  }

  std::optional<std::string> read_text(const char* name, const element& found) {
    std::string_view text;
    if (found.is_null()) {
      return std::nullopt;
    }
    if (found.get(text) != simdjson::SUCCESS) {
      add("string_type", {name}, "Input should be a valid string", found);
      return std::nullopt;
    }
    return std::string(text);
  }

  /// Text that must be there.
  std::string read_required_text(const char* name, const element& found) {
    std::string_view text;
    if (found.get(text) != simdjson::SUCCESS) {
      add("string_type", {name}, "Input should be a valid string", found);
    }
    return std::string(text);
  }

  /// Text or a number; which instant it is, is found out later.
  std::optional<JsonValue> read_time(const char* name, const element& found) {
    if (found.is_null()) {
      return std::nullopt;
    }
    if (!found.is_string() && !found.is_number()) {
      add("datetime_type", {name}, "Input should be a valid datetime", found);
      return std::nullopt;
    }
    return read_value(found);
  }

  bool read_flag(const char* name, const element& found) {
    bool flag = false;
    if (found.get(flag) != simdjson::SUCCESS) {
      add("bool_type", {name}, "Input should be a valid boolean", found);
    }
    return flag;
  }

 private:
  /// The first of them; a body may be wrong in a million places.
  void add(std::string type, Location location, std::string message, const element& found) {
    if (errors.size() < kFieldErrorsMax) {
      errors.push_back(
          {std::move(type), std::move(location), std::move(message), to_json(found), ""});
    }
  }
  /// Without the input, which is long.
  void too_long(const char* name, const char* what, std::size_t size) {
    if (errors.size() < kFieldErrorsMax) {
      errors.push_back({"too_long",
                        {name},
                        what + (" should have at most " + std::to_string(kNamesMax)) +
                            " items after validation, not " + std::to_string(size),
                        "{}",
                        ""});
    }
  }

  static JsonValue read_value(const element& value) {
    switch (value.type()) {
      case element_type::NULL_VALUE:
        return {};
      case element_type::BOOL:
        return JsonValue(bool{value.get_bool()});
      case element_type::INT64:
        return JsonValue(int64_t{value.get_int64()});
      case element_type::UINT64:  // beyond int64
        return JsonValue(uint64_t{value.get_uint64()});
      case element_type::DOUBLE:
        return JsonValue(double{value.get_double()});
      case element_type::STRING:
        return JsonValue(std::string(std::string_view(value.get_string())));
      case element_type::ARRAY:
      case element_type::OBJECT:
        return JsonValue(JsonText{to_json(value)});
    }
    return {};
  }
};

/// The root of a document, which lives until the thread parses the next one.
simdjson::error_code parse_root(std::string_view json, element* root) {
  thread_local simdjson::dom::parser parser;
  thread_local std::string padded;  // the parser reads a little beyond the end
  constexpr std::size_t kBytesKept = 1 << 20;
  if (padded.capacity() > kBytesKept) {
    padded = std::string();
  }
  padded.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  padded.assign(json);
  return parser.parse(padded.data(), padded.size(), false).get(*root);
}

/// What is wrong with a text that is no JSON. The parser takes NaN for something out of order.
std::string why_no_json(std::string_view json, simdjson::error_code error) {
  bool in_text = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (in_text && json[at] == '\\') {
      ++at;
    } else if (json[at] == '"') {
      in_text = !in_text;
    } else if (!in_text &&
               (json.substr(at).starts_with("NaN") || json.substr(at).starts_with("Infinity"))) {
      return "JSON has no NaN and no infinity: write null";
    }
  }
  return error == simdjson::NUMBER_ERROR
             ? "a number is not as JSON has it, or out of range: integers have 64 bits, others are "
               "below 1.8e308"
             : simdjson::error_message(error);
}

/// Parses and hands each field of the body's object to `take`; then `done` says what is missing.
template <typename Body, typename Take, typename Done>
Parsed<Body> parse_fields(std::string_view json, const Take& take, const Done& done) {
  Parsed<Body> parsed;
  element root;
  const simdjson::error_code error = parse_root(json, &root);
  if (error != simdjson::SUCCESS) {
    parsed.errors.push_back(
        {"json_invalid", {int64_t{0}}, "JSON decode error", "{}", why_no_json(json, error)});
    return parsed;
  }
  FieldReader reader;
  if (const std::optional<simdjson::dom::object> object = reader.object_of(root)) {
    for (const simdjson::dom::key_value_pair field : *object) {
      take(reader, field.key, field.value, parsed.body);
    }
    done(reader, root);
  }
  parsed.errors = std::move(reader.errors);
  return parsed;
}

}  // namespace

std::optional<JsonValue> parse_json_value(std::string_view json) {
  element root;
  return parse_root(json, &root) == simdjson::SUCCESS ? std::optional(FieldReader::value_of(root))
                                                      : std::nullopt;
}

ParsedBody parse_request_body(std::string_view json) {
  ParsedBody parsed;
  return read_plain_body(json, &parsed.body) ? parsed : parse_any_request_body(json);
}

ParsedBody parse_any_request_body(std::string_view json) {
  bool has_entities = false;
  return parse_fields<RequestBody>(
      json,
      [&](FieldReader& reader, std::string_view key, const element& value, RequestBody& body) {
        if (key == "entities") {
          has_entities = true;
          body.entities = reader.read_columns("entities", value);
        } else if (key == "features") {
          body.features = reader.read_names("features", value);
        } else if (key == "feature_service") {
          body.feature_service = reader.read_text("feature_service", value);
        } else if (key == "model") {
          body.model = reader.read_text("model", value);
        } else if (key == "full_feature_names") {
          body.full_feature_names = reader.read_flag("full_feature_names", value);
        } else if (key == "with_features") {
          body.with_features = reader.read_flag("with_features", value);
        } else if (key == "include_feature_view_version_metadata") {
          body.with_view_versions =
              reader.read_flag("include_feature_view_version_metadata", value);
        } else if (key == "at") {
          body.at = reader.read_time("at", value);
        }
      },
      [&](FieldReader& reader, const element& root) {
        if (!has_entities) {
          reader.missing("entities", root);
        }
      });
}

Parsed<WriteBody> parse_write_body(std::string_view json, const char* target) {
  bool has_target = false;
  bool has_rows = false;
  return parse_fields<WriteBody>(
      json,
      [&](FieldReader& reader, std::string_view key, const element& value, WriteBody& body) {
        if (key == target) {
          has_target = true;
          body.target = reader.read_required_text(target, value);
        } else if (key == "df") {
          has_rows = true;
          body.df = reader.read_columns("df", value);
        } else if (key == "to") {
          body.to = reader.read_required_text("to", value);
        } else if (key == "verdicts") {
          body.verdicts = reader.read_flag("verdicts", value);
        }
      },
      [&](FieldReader& reader, const element& root) {
        if (!has_target) {
          reader.missing(target, root);
        }
        if (!has_rows) {
          reader.missing("df", root);
        }
      });
}

Parsed<ExplainBody> parse_explain_body(std::string_view json) {
  bool has_feature = false;
  return parse_fields<ExplainBody>(
      json,
      [&](FieldReader& reader, std::string_view key, const element& value, ExplainBody& body) {
        if (key == "feature") {
          has_feature = true;
          body.feature = reader.read_required_text("feature", value);
        } else if (key == "entities") {
          body.entities = reader.read_columns("entities", value);
        } else if (key == "at") {
          body.at = reader.read_time("at", value);
        }
      },
      [&](FieldReader& reader, const element& root) {
        if (!has_feature) {
          reader.missing("feature", root);
        }
      });
}

Parsed<MaterializeBody> parse_materialize_body(std::string_view json, bool incremental) {
  bool has_end = false;
  return parse_fields<MaterializeBody>(
      json,
      [&](FieldReader& reader, std::string_view key, const element& value, MaterializeBody& body) {
        if (key == "start_ts") {
          body.start_ts = reader.read_text("start_ts", value);
        } else if (key == "end_ts") {
          has_end = true;
          body.end_ts = incremental ? reader.read_required_text("end_ts", value)
                                    : reader.read_text("end_ts", value);
        } else if (key == "feature_views") {
          body.feature_views = reader.read_names("feature_views", value);
        } else if (key == "disable_event_timestamp") {
          body.disable_event_timestamp = reader.read_flag("disable_event_timestamp", value);
        }
      },
      [&](FieldReader& reader, const element& root) {
        if (incremental && !has_end) {
          reader.missing("end_ts", root);
        }
      });
}

}  // namespace assay::serve
