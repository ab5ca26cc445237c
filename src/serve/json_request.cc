// The one file that speaks simdjson.

#include "serve/json_request.h"

#include <algorithm>

#include <simdjson.h>

namespace assay::serve {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string to_json(const element& value) {
  return simdjson::minify(value);
}

class BodyReader {
 public:
  ParsedBody read(const element& root) {
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) {
      add("model_attributes_type",
          {},
          "Input should be a valid dictionary or object to extract fields from",
          root);
      return std::move(parsed_);
    }
    bool has_entities = false;
    for (const simdjson::dom::key_value_pair field : object) {
      if (field.key == "entities") {
        has_entities = true;
        read_entities(field.value);
      } else if (field.key == "features") {
        read_features(field.value);
      } else if (field.key == "feature_service") {
        parsed_.body.feature_service = read_text("feature_service", field.value);
      } else if (field.key == "model") {
        parsed_.body.model = read_text("model", field.value);
      } else if (field.key == "full_feature_names") {
        parsed_.body.full_feature_names = read_flag("full_feature_names", field.value);
      } else if (field.key == "with_features") {
        parsed_.body.with_features = read_flag("with_features", field.value);
      }
    }
    if (!has_entities) {
      add("missing", {"entities"}, "Field required", root);
    }
    return std::move(parsed_);
  }

 private:
  using Location = std::vector<std::variant<std::string, int64_t>>;

  void add(std::string type, Location location, std::string message, const element& found) {
    parsed_.errors.push_back(
        {std::move(type), std::move(location), std::move(message), to_json(found), ""});
  }

  void read_entities(const element& found) {
    parsed_.body.entities.clear();
    simdjson::dom::object object;
    if (found.get(object) != simdjson::SUCCESS) {
      add("dict_type", {"entities"}, "Input should be a valid dictionary", found);
      return;
    }
    for (const simdjson::dom::key_value_pair field : object) {
      read_column(std::string(field.key), field.value);
    }
  }

  void read_column(const std::string& name, const element& found) {
    simdjson::dom::array array;
    if (found.get(array) != simdjson::SUCCESS) {
      add("list_type", {"entities", name}, "Input should be a valid list", found);
      return;
    }
    JsonColumn column{name, {}};
    for (const element value : array) {
      column.values.push_back(read_value(value));
    }
    std::vector<JsonColumn>& entities = parsed_.body.entities;
    const auto same = std::find_if(entities.begin(), entities.end(), [&](const JsonColumn& known) {
      return known.name == name;
    });
    if (same != entities.end()) {
      *same = std::move(column);
    } else {
      entities.push_back(std::move(column));
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

  void read_features(const element& found) {
    parsed_.body.features.reset();
    if (found.is_null()) {
      return;
    }
    simdjson::dom::array array;
    if (found.get(array) != simdjson::SUCCESS) {
      add("list_type", {"features"}, "Input should be a valid list", found);
      return;
    }
    std::vector<std::string> names;
    for (const element value : array) {
      std::string_view name;
      if (value.get(name) != simdjson::SUCCESS) {
        add("string_type",
            {"features", static_cast<int64_t>(names.size())},
            "Input should be a valid string",
            value);
        return;
      }
      names.emplace_back(name);
    }
    parsed_.body.features = std::move(names);
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

  bool read_flag(const char* name, const element& found) {
    bool flag = false;
    if (found.get(flag) != simdjson::SUCCESS) {
      add("bool_type", {name}, "Input should be a valid boolean", found);
    }
    return flag;
  }

  ParsedBody parsed_;
};

}  // namespace

ParsedBody parse_request_body(std::string_view json) {
  thread_local simdjson::dom::parser parser;
  element root;
  const simdjson::error_code error = parser.parse(json.data(), json.size()).get(root);
  if (error != simdjson::SUCCESS) {
    ParsedBody parsed;
    parsed.errors.push_back(
        {"json_invalid", {int64_t{0}}, "JSON decode error", "{}", simdjson::error_message(error)});
    return parsed;
  }
  return BodyReader().read(root);
}

}  // namespace assay::serve
