#include "lake/schema_json.h"

#include <algorithm>
#include <set>

#include "base/json_writer.h"
#include "lake/json_value.h"

namespace assay::lake {
namespace {

struct TypeName {
  std::string_view delta;
  data::Type type;
};

/// The first name of a type is the one that is written.
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
    {"short", data::Type::kInt32},
    {"byte", data::Type::kInt32},
};

std::string_view delta_name(data::Type type) {
  const auto* found = std::find_if(std::begin(kTypeNames),
                                   std::end(kTypeNames),
                                   [&](const TypeName& name) { return name.type == type; });
  ASSAY_CHECK(found != std::end(kTypeNames));
  return found->delta;
}

Status corrupt(const std::string& what) {
  return {Code::kCorrupt, "bad schemaString: " + what};
}

Result<data::Field> read_field(const JsonValue& value) {
  const JsonValue* name = value.find("name");
  const JsonValue* type = value.find("type");
  const JsonValue* nullable = value.find("nullable");
  if (name == nullptr || name->text() == nullptr || type == nullptr) {
    return corrupt("a field without name or type");
  }
  if (type->text() == nullptr) {
    const JsonValue* kind = type->find("type");
    return Status(Code::kUnimplemented,
                  "column type " +
                      (kind == nullptr || kind->text() == nullptr ? "?" : *kind->text()) +
                      " is not supported: column `" + *name->text() + "`");
  }
  const auto* known =
      std::find_if(std::begin(kTypeNames), std::end(kTypeNames), [&](const TypeName& each) {
        return each.delta == *type->text();
      });
  if (known == std::end(kTypeNames)) {
    return Status(
        Code::kUnimplemented,
        "column type " + *type->text() + " is not supported: column `" + *name->text() + "`");
  }
  data::Field field;
  field.name = *name->text();
  field.type = known->type;
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
    json.begin_object();
    json.key("name");
    json.string(field.name);
    json.key("type");
    json.string(delta_name(field.type));
    json.key("nullable");
    json.boolean(field.nullable);
    json.key("metadata");
    json.raw("{}");
    json.end_object();
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
    if (type == data::Type::kFloat32 || type == data::Type::kFloat64 ||
        type == data::Type::kBytes) {
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
