#include "lake/table_columns.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "data/sql_engine.h"
#include "lake/json_value.h"

namespace assay::lake {
namespace {

using data::SqlEngine;

struct PrimitiveName {
  std::string_view delta;
  std::string_view sql;
  std::optional<data::Type> batch_type;
};

const PrimitiveName kPrimitives[] = {
    {"boolean", "BOOLEAN", data::Type::kBool},
    {"byte", "TINYINT", data::Type::kInt8},
    {"short", "SMALLINT", data::Type::kInt16},
    {"integer", "INTEGER", data::Type::kInt32},
    {"long", "BIGINT", data::Type::kInt64},
    {"float", "FLOAT", data::Type::kFloat32},
    {"double", "DOUBLE", data::Type::kFloat64},
    {"string", "VARCHAR", data::Type::kString},
    {"binary", "BLOB", data::Type::kBytes},
    {"date", "DATE", data::Type::kDate},
    {"timestamp", "TIMESTAMP WITH TIME ZONE", data::Type::kTimestamp},
    {"timestamp_ntz", "TIMESTAMP", data::Type::kTimestamp},
};

const PrimitiveName* find_primitive(std::string_view name) {
  const auto* found = std::find_if(std::begin(kPrimitives),
                                   std::end(kPrimitives),
                                   [&](const PrimitiveName& each) { return each.delta == name; });
  return found == std::end(kPrimitives) ? nullptr : found;
}

/// "decimal(10,2)", or "decimal" for Spark's default; in SQL's form, nothing for another type.
std::optional<std::string> decimal_type(std::string_view name) {
  if (name == "decimal") {
    return "DECIMAL(10,0)";
  }
  if (!name.starts_with("decimal(") || !name.ends_with(')')) {
    return std::nullopt;
  }
  int precision = 0;
  int scale = 0;
  const char* end = name.data() + name.size() - 1;
  const auto first = std::from_chars(name.data() + 8, end, precision);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ',') {
    return std::nullopt;
  }
  const char* digits = first.ptr + 1;
  while (digits != end && *digits == ' ') {
    ++digits;
  }
  const auto second = std::from_chars(digits, end, scale);
  if (second.ec != std::errc() || second.ptr != end || precision < 1 || precision > 38 ||
      scale < 0 || scale > precision) {
    return std::nullopt;
  }
  return "DECIMAL(" + std::to_string(precision) + "," + std::to_string(scale) + ")";
}

Status corrupt(const std::string& what) {
  return {Code::kCorrupt, "bad schemaString: " + what};
}

const std::string* text_member(const JsonValue& value, std::string_view name) {
  const JsonValue* member = value.find(name);
  return member == nullptr ? nullptr : member->text();
}

bool true_unless_false(const JsonValue& value, std::string_view name) {
  const JsonValue* member = value.find(name);
  return member == nullptr || member->boolean() == nullptr || *member->boolean();
}

std::string lower(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return text;
}

class ColumnReader {
 public:
  explicit ColumnReader(ColumnMapping mapping) : mapping_(mapping) {}

  Result<std::vector<TableColumn>> fields(const JsonValue& value, const std::string& parent) {
    const JsonValue* list = value.find("fields");
    if (list == nullptr || list->array() == nullptr) {
      return corrupt(parent.empty() ? "no list of fields"
                                    : "no list of fields in `" + parent + "`");
    }
    std::vector<TableColumn> columns;
    std::set<std::string> names;
    std::set<std::string> physical_names;
    for (const JsonValue& each : *list->array()) {
      ASSAY_ASSIGN_OR_RETURN(TableColumn column, field(each, parent));
      if (!names.insert(lower(column.name)).second ||
          !physical_names.insert(lower(column.physical_name)).second) {
        return corrupt("two columns of one name: `" + path_of(parent, column.name) + "`");
      }
      columns.push_back(std::move(column));
    }
    return columns;
  }

 private:
  static std::string path_of(const std::string& parent, const std::string& name) {
    return parent.empty() ? name : parent + "." + name;
  }

  Result<TableColumn> field(const JsonValue& value, const std::string& parent) {
    const std::string* name = text_member(value, "name");
    const JsonValue* type = value.find("type");
    if (name == nullptr || name->empty() || type == nullptr) {
      return corrupt("a field without name or type");
    }
    TableColumn column;
    column.name = *name;
    column.physical_name = *name;
    column.nullable = true_unless_false(value, "nullable");
    const std::string path = path_of(parent, *name);
    if (const JsonValue* metadata = value.find("metadata")) {
      column.has_rules = metadata->find("delta.invariants") != nullptr ||
                         metadata->find("delta.generationExpression") != nullptr ||
                         metadata->find("delta.identity.start") != nullptr;
      column.widened = metadata->find("delta.typeChanges") != nullptr;
      ASSAY_RETURN_IF_ERROR(map_names(*metadata, path, column));
    } else if (mapping_ != ColumnMapping::kNone) {
      return corrupt("column mapping without a name in the files: column `" + path + "`");
    }
    ASSAY_ASSIGN_OR_RETURN(column.type, this->type(*type, path));
    return column;
  }

  Status map_names(const JsonValue& metadata, const std::string& path, TableColumn& column) const {
    if (mapping_ == ColumnMapping::kNone) {
      return {};
    }
    const std::string* physical = text_member(metadata, "delta.columnMapping.physicalName");
    if (physical == nullptr || physical->empty()) {
      return corrupt("column mapping without a name in the files: column `" + path + "`");
    }
    column.physical_name = *physical;
    const JsonValue* id = metadata.find("delta.columnMapping.id");
    if (id != nullptr && id->integer() != nullptr) {
      column.field_id = *id->integer();
    } else if (mapping_ == ColumnMapping::kById) {
      return corrupt("column mapping by id without an id: column `" + path + "`");
    }
    return {};
  }

  Result<ColumnType> type(const JsonValue& value, const std::string& path) {
    if (value.text() != nullptr) {
      return primitive(*value.text(), path);
    }
    const std::string* kind = text_member(value, "type");
    ColumnType result;
    if (kind != nullptr && *kind == "struct") {
      result.kind = ColumnType::Kind::kStruct;
      ASSAY_ASSIGN_OR_RETURN(result.fields, fields(value, path));
      if (result.fields.empty()) {
        return unsupported("struct without fields", path);
      }
      return result;
    }
    if (kind != nullptr && *kind == "array") {
      result.kind = ColumnType::Kind::kArray;
      ASSAY_ASSIGN_OR_RETURN(
          TableColumn element,
          part(value, "element", "elementType", true_unless_false(value, "containsNull"), path));
      result.fields = {std::move(element)};
      return result;
    }
    if (kind != nullptr && *kind == "map") {
      result.kind = ColumnType::Kind::kMap;
      ASSAY_ASSIGN_OR_RETURN(TableColumn key, part(value, "key", "keyType", false, path));
      ASSAY_ASSIGN_OR_RETURN(
          TableColumn mapped,
          part(value, "value", "valueType", true_unless_false(value, "valueContainsNull"), path));
      result.fields = {std::move(key), std::move(mapped)};
      return result;
    }
    return unsupported(kind == nullptr ? "?" : *kind, path);
  }

  Result<TableColumn> part(const JsonValue& value,
                           const char* name,
                           std::string_view member,
                           bool nullable,
                           const std::string& path) {
    const JsonValue* inner = value.find(member);
    if (inner == nullptr) {
      return corrupt("no " + std::string(member) + " in `" + path + "`");
    }
    TableColumn column;
    column.name = name;
    column.physical_name = name;
    column.nullable = nullable;
    ASSAY_ASSIGN_OR_RETURN(column.type, type(*inner, path_of(path, name)));
    return column;
  }

  static Result<ColumnType> primitive(const std::string& name, const std::string& path) {
    if (find_primitive(name) == nullptr && !decimal_type(name)) {
      return unsupported(name, path);
    }
    ColumnType result;
    result.primitive = name;
    return result;
  }

  static Status unsupported(const std::string& type, const std::string& path) {
    return {Code::kUnimplemented,
            "column type " + type + " is not supported: column `" + path + "`"};
  }

  ColumnMapping mapping_;
};

const std::string& name_of(const TableColumn& column, NameKind names) {
  return names == NameKind::kLogical ? column.name : column.physical_name;
}

/// The type of such a column in a batch.
std::optional<data::Type> batch_type_of(const ColumnType& type) {
  if (type.kind == ColumnType::Kind::kPrimitive) {
    const PrimitiveName* primitive = find_primitive(type.primitive);
    return primitive != nullptr
               ? primitive->batch_type
               : data::type_from_name(type.primitive == "decimal" ? "decimal(10,0)"
                                                                  : type.primitive);
  }
  std::vector<data::Field> fields;
  for (const TableColumn& column : type.fields) {
    std::optional<data::Type> inner = batch_type_of(column.type);
    if (!inner.has_value()) {
      return std::nullopt;
    }
    fields.push_back({column.name, *std::move(inner), true});
  }
  switch (type.kind) {
    case ColumnType::Kind::kArray:
      return data::Type::list(fields.at(0).type);
    case ColumnType::Kind::kMap:
      return data::Type::map(fields.at(0).type, fields.at(1).type);
    default:
      return data::names_differ(fields) ? std::optional(data::Type::structure(fields))
                                        : std::nullopt;
  }
}

bool names_agree(const ColumnType& type) {
  return std::all_of(type.fields.begin(), type.fields.end(), [](const TableColumn& field) {
    return field.name == field.physical_name && names_agree(field.type);
  });
}

}  // namespace

Result<std::vector<TableColumn>> table_columns_from_json(std::string_view text,
                                                         ColumnMapping mapping) {
  JsonReader json;
  const Result<JsonValue> value = json.read(text);
  if (!value.ok()) {
    return corrupt(value.status().message());
  }
  return ColumnReader(mapping).fields(*value, "");
}

data::SchemaPtr batch_schema_of(const std::vector<TableColumn>& columns) {
  std::vector<data::Field> fields;
  for (const TableColumn& column : columns) {
    if (std::optional<data::Type> type = batch_type_of(column.type)) {
      fields.push_back({column.name, *std::move(type), column.nullable});
    }
  }
  return data::make_schema(std::move(fields));
}

std::string sql_type_of(const ColumnType& type, NameKind names) {
  const auto inner = [&](std::size_t i) { return sql_type_of(type.fields[i].type, names); };
  switch (type.kind) {
    case ColumnType::Kind::kArray:
      return inner(0) + "[]";
    case ColumnType::Kind::kMap:
      return "MAP(" + inner(0) + ", " + inner(1) + ")";
    case ColumnType::Kind::kStruct: {
      std::string out = "STRUCT(";
      for (std::size_t i = 0; i < type.fields.size(); ++i) {
        out += (i == 0 ? "" : ", ") + SqlEngine::identifier(name_of(type.fields[i], names)) + " " +
               inner(i);
      }
      return out + ")";
    }
    case ColumnType::Kind::kPrimitive:
      break;
  }
  const PrimitiveName* primitive = find_primitive(type.primitive);
  return primitive != nullptr ? std::string(primitive->sql)
                              : decimal_type(type.primitive).value_or("VARCHAR");
}

std::string renamed_expression(const ColumnType& type, const std::string& source) {
  if (names_agree(type)) {
    return source;
  }
  switch (type.kind) {
    case ColumnType::Kind::kStruct: {
      std::string parts;
      for (const TableColumn& field : type.fields) {
        const std::string inner =
            "struct_extract(" + source + ", " + SqlEngine::literal(field.physical_name) + ")";
        parts += (parts.empty() ? "" : ", ") + SqlEngine::identifier(field.name) +
                 " := " + renamed_expression(field.type, inner);
      }
      return "CASE WHEN " + source + " IS NULL THEN NULL ELSE struct_pack(" + parts + ") END";
    }
    case ColumnType::Kind::kArray:
      return "list_transform(" + source +
             ", lambda x: " + renamed_expression(type.fields[0].type, "x") + ")";
    case ColumnType::Kind::kMap:
      return "map_from_entries(list_transform(map_entries(" + source +
             "), lambda x: struct_pack(k := " + renamed_expression(type.fields[0].type, "x.key") +
             ", v := " + renamed_expression(type.fields[1].type, "x.value") + ")))";
    case ColumnType::Kind::kPrimitive:
      break;
  }
  return source;
}

}  // namespace assay::lake
