#include "flow/published_position.h"

#include <utility>

#include "base/json_writer.h"
#include "lake/json_value.h"

namespace assay::flow {
namespace {

void write_state(const PublishedState& state, JsonWriter* json) {
  json->begin_object();
  json->key("as_of");
  json->integer(state.as_of.micros);
  json->key("tables");
  json->begin_object();
  for (const auto& [table, version] : state.tables) {
    json->key(table);
    json->integer(version);
  }
  json->end_object();
  if (state.model_version != 0) {
    json->key("model_version");
    json->integer(state.model_version);
  }
  if (state.files != 0) {
    json->key("files");
    json->integer(state.files);
  }
  json->end_object();
}

Result<int64_t> integer_of(const lake::JsonValue& object, std::string_view name) {
  const lake::JsonValue* value = object.find(name);
  if (value == nullptr || value->integer() == nullptr) {
    return Status(Code::kCorrupt, "no whole number `" + std::string(name) + "`");
  }
  return *value->integer();
}

Result<PublishedState> read_state(const lake::JsonValue& value) {
  PublishedState state;
  ASSAY_ASSIGN_OR_RETURN(state.as_of.micros, integer_of(value, "as_of"));
  const lake::JsonValue* tables = value.find("tables");
  if (tables == nullptr || tables->object() == nullptr) {
    return Status(Code::kCorrupt, "no `tables`");
  }
  for (const auto& [table, version] : *tables->object()) {
    if (version.integer() == nullptr) {
      return Status(Code::kCorrupt, "table " + table + " has no version");
    }
    state.tables[table] = *version.integer();
  }
  if (value.find("model_version") != nullptr) {
    ASSAY_ASSIGN_OR_RETURN(state.model_version, integer_of(value, "model_version"));
  }
  if (value.find("files") != nullptr) {
    ASSAY_ASSIGN_OR_RETURN(state.files, integer_of(value, "files"));
  }
  return state;
}

Result<std::optional<PublishedState>> state_of(const lake::JsonValue& object,
                                               std::string_view name) {
  const lake::JsonValue* value = object.find(name);
  if (value == nullptr) {
    return std::optional<PublishedState>();
  }
  ASSAY_ASSIGN_OR_RETURN(PublishedState state, read_state(*value));
  return std::optional(std::move(state));
}

}  // namespace

std::string position_text(const PublishedPosition& position) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  if (position.whole) {
    json.key("whole");
    write_state(*position.whole, &json);
  }
  if (position.next) {
    json.key("next");
    write_state(*position.next, &json);
    json.key("done");
    json.integer(position.done);
  }
  if (!position.left.empty()) {
    json.key("left");
    json.begin_array();
    for (const PublishedState& state : position.left) {
      write_state(state, &json);
    }
    json.end_array();
  }
  json.end_object();
  return text;
}

Result<PublishedPosition> parse_position(std::string_view text) {
  lake::JsonReader reader;
  ASSAY_ASSIGN_OR_RETURN(const lake::JsonValue value, reader.read(text));
  if (value.object() == nullptr) {
    return Status(Code::kCorrupt, "no object");
  }
  PublishedPosition position;
  ASSAY_ASSIGN_OR_RETURN(position.whole, state_of(value, "whole"));
  ASSAY_ASSIGN_OR_RETURN(position.next, state_of(value, "next"));
  if (position.next) {
    ASSAY_ASSIGN_OR_RETURN(position.done, integer_of(value, "done"));
  }
  if (const lake::JsonValue* left = value.find("left"); left != nullptr) {
    if (left->array() == nullptr) {
      return Status(Code::kCorrupt, "`left` is no list");
    }
    for (const lake::JsonValue& state : *left->array()) {
      ASSAY_ASSIGN_OR_RETURN(position.left.emplace_back(), read_state(state));
    }
  }
  return position;
}

}  // namespace assay::flow
