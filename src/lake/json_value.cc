#include "lake/json_value.h"

#include <simdjson.h>

// The room's adapter of simdjson.

namespace assay::lake {
namespace {

constexpr std::size_t kDepthMax = 128;

JsonValue convert(const simdjson::dom::element& element);

JsonValue convert_array(const simdjson::dom::array& array) {
  JsonValue::Array values;
  values.reserve(array.size());
  for (const simdjson::dom::element item : array) {
    values.push_back(convert(item));
  }
  return JsonValue(std::move(values));
}

JsonValue convert_object(const simdjson::dom::object& object) {
  JsonValue::Object members;
  members.reserve(object.size());
  for (const simdjson::dom::key_value_pair member : object) {
    members.emplace_back(std::string(member.key), convert(member.value));
  }
  return JsonValue(std::move(members));
}

JsonValue convert(const simdjson::dom::element& element) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY:
      return convert_array(element.get_array().value_unsafe());
    case simdjson::dom::element_type::OBJECT:
      return convert_object(element.get_object().value_unsafe());
    case simdjson::dom::element_type::INT64:
      return JsonValue(element.get_int64().value_unsafe());
    case simdjson::dom::element_type::UINT64:
      return JsonValue(static_cast<double>(element.get_uint64().value_unsafe()));
    case simdjson::dom::element_type::DOUBLE:
      return JsonValue(element.get_double().value_unsafe());
    case simdjson::dom::element_type::STRING:
      return JsonValue(std::string(element.get_string().value_unsafe()));
    case simdjson::dom::element_type::BOOL:
      return JsonValue(element.get_bool().value_unsafe());
    case simdjson::dom::element_type::NULL_VALUE:
      return {};
  }
  return {};
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const Object* members = object();
  if (members == nullptr) {
    return nullptr;
  }
  for (const auto& [key, value] : *members) {
    if (key == name) {
      return value.is_null() ? nullptr : &value;
    }
  }
  return nullptr;
}

struct JsonReader::State {
  simdjson::dom::parser parser;
  std::size_t capacity = 0;
};

JsonReader::JsonReader() : state_(std::make_unique<State>()) {}
JsonReader::~JsonReader() = default;

Result<JsonValue> JsonReader::read(std::string_view text) {
  if (text.size() > state_->capacity || state_->capacity == 0) {
    state_->capacity = std::max<std::size_t>(text.size() * 2, 4096);
    const simdjson::error_code error = state_->parser.allocate(state_->capacity, kDepthMax);
    if (error != simdjson::SUCCESS) {
      return Status(Code::kResourceExhausted, "no memory to read JSON");
    }
  }
  const simdjson::padded_string padded(text);
  simdjson::dom::element element;
  const simdjson::error_code error = state_->parser.parse(padded).get(element);
  if (error != simdjson::SUCCESS) {
    return Status(Code::kCorrupt, "not JSON: " + std::string(simdjson::error_message(error)));
  }
  return convert(element);
}

}  // namespace assay::lake
