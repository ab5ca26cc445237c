#include "lake/schema_json.h"

#include <algorithm>
#include <set>

#include "base/json_writer.h"
#include "lake/json_value.h"

namespace assay::lake {
namespace {

struct TypeName {
  std::string_view delta;
  data::TypeId type;
};

constexpr TypeName kTypeNames[] = {
    {"boolean", data::Type::kBool},
    {"integer", data::Type::kInt32},
    {"long", data::Type::kInt64},
    {"float", data::Type::kFloat32},
    {"double", data::Type::kFloat64},
    {"string", data::Type::kString},
    {"binary", data::Type::kBytes},
    {"date", data::Type::kDate},
    {"timestamp", data::Type::kTimestamp},
    {"short", data::Type::kInt16},
    {"byte", data::Type::kInt8},
};

const TypeName* delta_name(data::TypeId type) {
  const auto* found = std::find_if(std::begin(kTypeNames),
                                   std::end(kTypeNames),
                                   [&](const TypeName& name) { return name.type == type; });
  return found == std::end(kTypeNames) ? nullptr : found;
}

/// Where a column's metadata keeps the type that Delta has no word for: arrays of a fixed size are
/// lists to everybody else.
constexpr std::string_view kTypeKey = "assay.type";

Status corrupt(const std::string& what) {
  return {Code::kCorrupt, "bad schemaString: " + what};
}

/// Tables hold these: all but times without a zone, which need a later protocol.
bool is_table_type(const data::Type& type) {
  const std::vector<data::Field>& children = type.children();
  return std::all_of(children.begin(),
                     children.end(),
                     [](const data::Field& child) { return is_table_type(child.type); }) &&
         (data::has_parameters(type) || delta_name(type) != nullptr);
}

bool has_array(const data::Type& type) {
  const std::vector<data::Field>& children = type.children();
  return type == data::Type::kArray ||
         std::any_of(children.begin(), children.end(), [](const data::Field& child) {
           return has_array(child.type);
         });
}

/// The same type as Delta knows it: arrays are lists.
data::Type delta_type(const data::Type& type) {
  switch (type) {
    case data::Type::kList:
    case data::Type::kArray:
      return data::Type::list(delta_type(type.element()));
    case data::Type::kMap:
      return data::Type::map(delta_type(type.map_key()), delta_type(type.map_value()));
    case data::Type::kStruct: {
      std::vector<data::Field> fields = type.children();
      for (data::Field& field : fields) {
        field.type = delta_type(field.type);
      }
      return data::Type::structure(std::move(fields));
    }
    default:
      return type;
  }
}

void write_field(JsonWriter& json, const data::Field& field, bool with_type_key);

void write_type(JsonWriter& json, const data::Type& type) {
  if (type == data::Type::kDecimal) {
    json.string(data::type_name(type));
    return;
  }
  if (!data::is_nested(type)) {
    json.string(delta_name(type)->delta);
    return;
  }
  json.begin_object();
  json.key("type");
  if (type == data::Type::kStruct) {
    json.string("struct");
    json.key("fields");
    json.begin_array();
    for (const data::Field& field : type.children()) {
      write_field(json, field, false);
    }
    json.end_array();
  } else if (type == data::Type::kMap) {
    json.string("map");
    json.key("keyType");
    write_type(json, type.map_key());
    json.key("valueType");
    write_type(json, type.map_value());
    json.key("valueContainsNull");
    json.boolean(true);
  } else {
    json.string("array");
    json.key("elementType");
    write_type(json, type.element());
    json.key("containsNull");
    json.boolean(true);
  }
  json.end_object();
}

void write_field(JsonWriter& json, const data::Field& field, bool with_type_key) {
  json.begin_object();
  json.key("name");
  json.string(field.name);
  json.key("type");
  write_type(json, field.type);
  json.key("nullable");
  json.boolean(field.nullable);
  json.key("metadata");
  json.begin_object();
  if (with_type_key && has_array(field.type)) {
    json.key(kTypeKey);
    json.string(data::type_name(field.type));
  }
  json.end_object();
  json.end_object();
}

std::optional<data::Type> read_named_type(const std::string& name) {
  if (name.rfind("decimal(", 0) == 0) {
    return data::type_from_name(name);
  }
  const auto* known = std::find_if(std::begin(kTypeNames),
                                   std::end(kTypeNames),
                                   [&](const TypeName& each) { return each.delta == name; });
  return known == std::end(kTypeNames) ? std::nullopt : std::optional<data::Type>(known->type);
}

/// A column's type, or the word for what is not supported in it.
struct ReadType {
  std::optional<data::Type> type;
  std::string unsupported;
};

ReadType read_type(const JsonValue& json);

ReadType read_struct_type(const JsonValue& json) {
  const JsonValue* fields = json.find("fields");
  std::vector<data::Field> read;
  for (const JsonValue& each :
       fields != nullptr && fields->array() != nullptr ? *fields->array() : JsonValue::Array()) {
    const JsonValue* name = each.find("name");
    const JsonValue* type = each.find("type");
    if (name == nullptr || name->text() == nullptr || type == nullptr) {
      return {std::nullopt, "struct"};
    }
    ReadType child = read_type(*type);
    if (!child.type.has_value()) {
      return child;
    }
    read.push_back({*name->text(), *std::move(child.type), true});
  }
  if (read.empty() || !data::names_differ(read)) {
    return {std::nullopt, "struct"};
  }
  return {data::Type::structure(std::move(read)), ""};
}

ReadType read_type(const JsonValue& json) {
  if (json.text() != nullptr) {
    return {read_named_type(*json.text()), *json.text()};
  }
  const JsonValue* kind = json.find("type");
  const std::string name = kind == nullptr || kind->text() == nullptr ? "?" : *kind->text();
  const auto child = [&](std::string_view key) {
    const JsonValue* found = json.find(key);
    return found == nullptr ? ReadType{std::nullopt, name} : read_type(*found);
  };
  if (name == "struct") {
    return read_struct_type(json);
  }
  if (name == "array") {
    ReadType element = child("elementType");
    return element.type ? ReadType{data::Type::list(*std::move(element.type)), ""} : element;
  }
  if (name == "map") {
    ReadType key = child("keyType");
    ReadType value = child("valueType");
    if (!key.type || !value.type) {
      return key.type ? value : key;
    }
    return {data::Type::map(*std::move(key.type), *std::move(value.type)), ""};
  }
  return {std::nullopt, name};
}

/// The type that the column's metadata names, when it is `type` but for the sizes of arrays.
data::Type sized_type(const JsonValue& field, const data::Type& type) {
  const JsonValue* metadata = field.find("metadata");
  const JsonValue* name = metadata == nullptr ? nullptr : metadata->find(kTypeKey);
  if (name == nullptr || name->text() == nullptr) {
    return type;
  }
  const std::optional<data::Type> sized = data::type_from_name(*name->text());
  return sized.has_value() && delta_type(*sized) == type ? *sized : type;
}

Result<data::Field> read_field(const JsonValue& value) {
  const JsonValue* name = value.find("name");
  const JsonValue* type = value.find("type");
  const JsonValue* nullable = value.find("nullable");
  if (name == nullptr || name->text() == nullptr || type == nullptr) {
    return corrupt("a field without name or type");
  }
  const ReadType read = read_type(*type);
  if (!read.type.has_value()) {
    return Status(
        Code::kUnimplemented,
        "column type " + read.unsupported + " is not supported: column `" + *name->text() + "`");
  }
  data::Field field;
  field.name = *name->text();
  field.type = sized_type(value, *read.type);
  field.nullable = nullable == nullptr || nullable->boolean() == nullptr || *nullable->boolean();
  return field;
}

std::string lower(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return text;
}

std::string describe(const data::Field& field) {
  return "`" + field.name + "` " + std::string(data::type_name(field.type)) +
         (field.nullable ? "" : " not null");
}

}  // namespace

std::string schema_to_json(const data::Schema& schema) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("type");
  json.string("struct");
  json.key("fields");
  json.begin_array();
  for (const data::Field& field : schema.fields()) {
    write_field(json, field, true);
  }
  json.end_array();
  json.end_object();
  return out;
}

Result<data::SchemaPtr> schema_from_json(std::string_view text) {
  JsonReader json;
  const Result<JsonValue> value = json.read(text);
  if (!value.ok()) {
    return corrupt(value.status().message());
  }
  const JsonValue* fields = value->find("fields");
  if (fields == nullptr || fields->array() == nullptr) {
    return corrupt("no list of fields");
  }
  std::vector<data::Field> result;
  std::set<std::string> names;
  for (const JsonValue& each : *fields->array()) {
    ASSAY_ASSIGN_OR_RETURN(data::Field field, read_field(each));
    if (!names.insert(lower(field.name)).second) {
      return corrupt("two columns of one name: `" + field.name + "`");
    }
    result.push_back(std::move(field));
  }
  return data::make_schema(std::move(result));
}

Status validate_table_schema(const data::Schema& schema,
                             const std::vector<std::string>& partition_columns) {
  std::set<std::string> names;
  for (const data::Field& field : schema.fields()) {
    if (!is_table_type(field.type)) {
      return {
          Code::kUnimplemented,
          "a table cannot hold " + data::type_name(field.type) + ": column `" + field.name + "`"};
    }
    if (field.name.empty() || !names.insert(lower(field.name)).second) {
      return {Code::kInvalidArgument,
              "column names must differ by more than case and not be empty: `" + field.name + "`"};
    }
  }
  std::set<std::string> partitions;
  for (const std::string& name : partition_columns) {
    const std::optional<int> index = schema.find(name);
    if (!index || !partitions.insert(name).second) {
      return {Code::kInvalidArgument,
              "partition column is not in the schema, or given twice: `" + name + "`"};
    }
    const data::Type type = schema.field(*index).type;
    if (data::is_real(type) || data::has_parameters(type) || type == data::Type::kBytes) {
      return {Code::kInvalidArgument,
              "a table cannot be partitioned by a column of type " +
                  std::string(data::type_name(type)) + ": `" + name + "`"};
    }
  }
  if (partitions.size() == schema.fields().size()) {
    return {Code::kInvalidArgument, "a table needs a column that is no partition column"};
  }
  return {};
}

/// Of all widenings, only this one is read by every engine from a table without the type widening
/// feature: Parquet INT32 under `long`.
bool is_widened(const data::Field& narrow, const data::Field& wide) {
  data::Field widened = narrow;
  widened.type = data::Type::kInt64;
  return narrow.type == data::Type::kInt32 && widened == wide;
}

Status validate_extends(const data::Schema& schema, const data::Schema& wider) {
  for (int i = 0; i < schema.size(); ++i) {
    if (i >= wider.size()) {
      return {Code::kFailedPrecondition,
              "the table has a column more: " + describe(schema.field(i))};
    }
    if (schema.field(i) != wider.field(i) && !is_widened(schema.field(i), wider.field(i))) {
      return {Code::kFailedPrecondition,
              "column " + std::to_string(i + 1) + " of the table is " + describe(schema.field(i)) +
                  ", not " + describe(wider.field(i))};
    }
  }
  for (int i = schema.size(); i < wider.size(); ++i) {
    if (!wider.field(i).nullable) {
      return {Code::kFailedPrecondition,
              "a column added to a table must be nullable: " + describe(wider.field(i))};
    }
  }
  return {};
}

}  // namespace assay::lake
