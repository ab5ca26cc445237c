#include "catalog/json_schema.h"

#include "base/json_writer.h"
#include "catalog/definition_table.h"

namespace assay::catalog {
namespace {

constexpr char kNamePattern[] = "^[a-z][a-z0-9_]*$";
constexpr char kColumnPattern[] = "^[A-Za-z_][A-Za-z0-9_]*$";
constexpr char kTypePattern[] =
    "^((bool|boolean|int8|int16|int32|int64|byte|tinyint|short|smallint|int|integer|long|float32|"
    "float64|float|double|string|bytes|binary|date|timestamp)(\\[[0-9]+\\])*|"
    "decimal\\([0-9]+, *[0-9]+\\)|(list|array|struct|map)<.*>(\\[[0-9]+\\])*)!?$";
constexpr char kDurationPattern[] = "^([0-9]+(us|ms|s|m|h|d)|.*\\$\\{.*)$";
constexpr char kBytesPattern[] = "^([0-9]+(B|KB|MB|GB)?|.*\\$\\{.*)$";

/// Writes schemas of values; each call writes one JSON value.
class SchemaWriter {
 public:
  explicit SchemaWriter(std::string& out) : json_(out) {}

  void write_root();

 private:
  void write_section(const SectionDef& section);
  void write_object(const SectionDef& section);
  void write_properties(const std::vector<const KeyDef*>& keys);
  void write_key(const KeyDef& key);
  void write_shape(const KeyDef& key);
  void write_shorthand(const SectionDef& section);
  void begin_any_of() {
    json_.key("anyOf");
    json_.begin_array();
  }
  void type(const char* name) { member("type", name); }
  void member(const char* key, std::string_view value) {
    json_.key(key);
    json_.string(value);
  }
  void ref(std::string_view section) {
    member("$ref", section == "project" ? "#/$defs/profile" : "#/$defs/" + std::string(section));
  }
  void text(std::string_view pattern) {
    type("string");
    if (!pattern.empty()) {
      member("pattern", pattern);
    }
  }
  void text_object(std::string_view pattern) {
    json_.begin_object();
    text(pattern);
    json_.end_object();
  }
  void one_or_list(std::string_view pattern);
  void map_of(std::string_view name_pattern, std::string_view section);
  void number(const KeyDef& key);

  JsonWriter json_;
};

void SchemaWriter::write_root() {
  json_.begin_object();
  member("$schema", "https://json-schema.org/draft/2020-12/schema");
  member("title", "Assay project");
  member("description", "A YAML file of an Assay project: assay.yaml, or any other in its folder.");
  type("object");
  json_.key("additionalProperties");
  json_.boolean(false);
  std::vector<const KeyDef*> keys = keys_of("project");
  for (const KeyDef* key : keys_of("definitions")) {
    keys.push_back(key);
  }
  write_properties(keys);
  json_.key("$defs");
  json_.begin_object();
  for (const SectionDef& section : all_sections()) {
    if (section.name == "definitions") {
      continue;
    }
    json_.key(section.name == "project" ? "profile" : section.name);
    write_section(section);
  }
  json_.end_object();
  json_.end_object();
}

void SchemaWriter::write_section(const SectionDef& section) {
  if (section.shorthand == ValueKind::kNone) {
    write_object(section);
    return;
  }
  json_.begin_object();
  begin_any_of();
  json_.begin_object();
  write_shorthand(section);
  json_.end_object();
  write_object(section);
  json_.end_array();
  json_.end_object();
}

void SchemaWriter::write_shorthand(const SectionDef& section) {
  if (section.name == "feature") {
    member("const", "latest");
  } else {
    write_shape(*find_key(section.name, section.shorthand_key));
  }
}

void SchemaWriter::write_object(const SectionDef& section) {
  json_.begin_object();
  type("object");
  member("description", section.help);
  json_.key("additionalProperties");
  json_.boolean(false);
  const std::vector<const KeyDef*> keys = keys_of(section.name);
  write_properties(keys);
  if (section.name != "project") {  // used for profiles, which name what they override
    json_.key("required");
    json_.begin_array();
    for (const KeyDef* key : keys) {
      if (key->required) {
        json_.string(key->key);
      }
    }
    json_.end_array();
  }
  json_.end_object();
}

void SchemaWriter::write_properties(const std::vector<const KeyDef*>& keys) {
  json_.key("properties");
  json_.begin_object();
  for (const KeyDef* key : keys) {
    json_.key(key->key);
    write_key(*key);
  }
  json_.end_object();
}

void SchemaWriter::write_key(const KeyDef& key) {
  json_.begin_object();
  std::string help(key.help);
  if (!key.default_text.empty()) {
    help += " Default: " + std::string(key.default_text) + ".";
  }
  if (key.kind == ValueKind::kLater) {
    help += " Not in this version.";
  }
  member("description", help);
  write_shape(key);
  json_.end_object();
}

void SchemaWriter::one_or_list(std::string_view pattern) {
  begin_any_of();
  text_object(pattern);
  json_.begin_object();
  type("array");
  json_.key("items");
  text_object(pattern);
  json_.end_object();
  json_.end_array();
}

void SchemaWriter::map_of(std::string_view name_pattern, std::string_view section) {
  type("object");
  json_.key("propertyNames");
  json_.begin_object();
  member("pattern", name_pattern);
  json_.end_object();
  json_.key("additionalProperties");
  json_.begin_object();
  if (section.empty()) {
    text(kTypePattern);
  } else {
    ref(section);
  }
  json_.end_object();
}

/// A number within its bounds, or a text with an environment variable in it.
void SchemaWriter::number(const KeyDef& key) {
  begin_any_of();
  json_.begin_object();
  type(key.kind == ValueKind::kInteger ? "integer" : "number");
  const std::size_t dots = key.detail.find("..");
  if (dots != std::string_view::npos) {
    json_.key("minimum");
    json_.raw(key.detail.substr(0, dots));
    json_.key("maximum");
    json_.raw(key.detail.substr(dots + 2));
  }
  json_.end_object();
  text_object("\\$\\{");
  json_.end_array();
}

void SchemaWriter::write_shape(const KeyDef& key) {
  switch (key.kind) {
    case ValueKind::kNone:
    case ValueKind::kLater:
      break;
    case ValueKind::kText:
    case ValueKind::kExpression:
    case ValueKind::kSql:
    case ValueKind::kPath:
      json_.key("type");
      json_.raw(R"(["string","number","boolean"])");
      break;
    case ValueKind::kName:
      text(kNamePattern);
      break;
    case ValueKind::kColumn:
      text(kColumnPattern);
      break;
    case ValueKind::kColumns:
      one_or_list(kColumnPattern);
      break;
    case ValueKind::kTexts:
      one_or_list("");
      break;
    case ValueKind::kColumnType:
      text(kTypePattern);
      break;
    case ValueKind::kTypeMap:
      map_of(kColumnPattern, "");
      break;
    case ValueKind::kTextMap:
      json_.key("type");
      json_.string("object");
      break;
    case ValueKind::kDuration:
      text(key.detail.empty()
               ? kDurationPattern
               : std::string(kDurationPattern).insert(2, std::string(key.detail) + "|"));
      break;
    case ValueKind::kDurations:
      one_or_list(kDurationPattern);
      break;
    case ValueKind::kBoolean:
      type("boolean");
      break;
    case ValueKind::kInteger:
    case ValueKind::kNumber:
      number(key);
      break;
    case ValueKind::kBytes:
      json_.key("type");
      json_.raw(R"(["string","integer"])");
      member("pattern", kBytesPattern);
      break;
    case ValueKind::kScalars:
      type("array");
      json_.key("minItems");
      json_.integer(1);
      break;
    case ValueKind::kRange:
      type("array");
      json_.key("minItems");
      json_.integer(2);
      json_.key("maxItems");
      json_.integer(2);
      break;
    case ValueKind::kChoice:
      json_.key("enum");
      json_.begin_array();
      for (const std::string& choice : choices_of(key.detail)) {
        json_.string(choice);
      }
      json_.end_array();
      break;
    case ValueKind::kSection:
      ref(key.detail);
      break;
    case ValueKind::kSectionMap:
      map_of(key.detail == "column" || key.detail == "input_key" ? kColumnPattern : kNamePattern,
             key.detail);
      break;
    case ValueKind::kSectionList:
      type("array");
      json_.key("items");
      json_.begin_object();
      ref(key.detail);
      json_.end_object();
      break;
    case ValueKind::kServiceMap:
      json_.key("type");
      json_.string("object");
      json_.key("additionalProperties");
      json_.raw(
          R"({"anyOf":[{"type":"string"},{"type":"array","minItems":1,"items":{"$ref":"#/$defs/input"}}]})");
      break;
    case ValueKind::kProfiles:
      map_of(kNamePattern, key.detail);
      break;
  }
}

}  // namespace

std::string json_schema() {
  std::string out;
  SchemaWriter(out).write_root();
  return out;
}

}  // namespace assay::catalog
