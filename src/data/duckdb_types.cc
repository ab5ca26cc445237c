// Which DuckDB type is which column type.

#include <string>
#include <utility>

#include <duckdb.h>

#include "data/duckdb_vectors.h"
#include "data/schema.h"
#include "data/sql_engine.h"

namespace assay::data {
namespace {

/// The SQL type to advise in place of one that Batch does not know.
std::string_view advised_type(int type) {
  switch (type) {
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
      return "BIGINT";
    default:
      return "VARCHAR";
  }
}

std::optional<TypeId> plain_type_of(int duckdb_type, bool keep_ntz) {
  switch (duckdb_type) {
    case DUCKDB_TYPE_BOOLEAN:
      return TypeId::kBool;
    case DUCKDB_TYPE_TINYINT:
      return TypeId::kInt8;
    case DUCKDB_TYPE_SMALLINT:
      return TypeId::kInt16;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
      return TypeId::kInt32;
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_BIGINT:
      return TypeId::kInt64;
    case DUCKDB_TYPE_FLOAT:
      return TypeId::kFloat32;
    case DUCKDB_TYPE_DOUBLE:
      return TypeId::kFloat64;
    case DUCKDB_TYPE_VARCHAR:
      return TypeId::kString;
    case DUCKDB_TYPE_BLOB:
      return TypeId::kBytes;
    case DUCKDB_TYPE_DATE:
      return TypeId::kDate;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return keep_ntz ? TypeId::kTimestampNtz : TypeId::kTimestamp;
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return TypeId::kTimestamp;
    default:
      return std::nullopt;
  }
}

duckdb_type duckdb_type_of(TypeId type) {
  switch (type) {
    case TypeId::kBool:
      return DUCKDB_TYPE_BOOLEAN;
    case TypeId::kInt8:
      return DUCKDB_TYPE_TINYINT;
    case TypeId::kInt16:
      return DUCKDB_TYPE_SMALLINT;
    case TypeId::kInt32:
      return DUCKDB_TYPE_INTEGER;
    case TypeId::kInt64:
      return DUCKDB_TYPE_BIGINT;
    case TypeId::kFloat32:
      return DUCKDB_TYPE_FLOAT;
    case TypeId::kFloat64:
      return DUCKDB_TYPE_DOUBLE;
    case TypeId::kString:
      return DUCKDB_TYPE_VARCHAR;
    case TypeId::kBytes:
      return DUCKDB_TYPE_BLOB;
    case TypeId::kDate:
      return DUCKDB_TYPE_DATE;
    case TypeId::kTimestamp:
      return DUCKDB_TYPE_TIMESTAMP_TZ;
    case TypeId::kTimestampNtz:
      return DUCKDB_TYPE_TIMESTAMP;
    case TypeId::kDecimal:
    case TypeId::kList:
    case TypeId::kArray:
    case TypeId::kStruct:
    case TypeId::kMap:
      break;  // these have parameters
  }
  return DUCKDB_TYPE_INVALID;
}

int bytes_of(duckdb_type integer) {
  switch (integer) {
    case DUCKDB_TYPE_SMALLINT:
      return 2;
    case DUCKDB_TYPE_INTEGER:
      return 4;
    case DUCKDB_TYPE_BIGINT:
      return 8;
    default:
      return 16;
  }
}

VectorType vector_type(duckdb_type id, bool known) {
  VectorType result;
  result.duckdb_type = id;
  result.known = known;
  return result;
}

VectorType decimal_type_of(duckdb_logical_type type) {
  VectorType result = vector_type(DUCKDB_TYPE_DECIMAL, true);
  result.decimal_width = bytes_of(duckdb_decimal_internal_type(type));
  result.type = Type::decimal(duckdb_decimal_width(type), duckdb_decimal_scale(type));
  return result;
}

/// The one child of a list or array, the fields of a struct, the entries of a map.
void add_child(VectorType& parent, duckdb_logical_type type, bool keep_ntz) {
  const LogicalType owned(type);
  parent.children.push_back(vector_type_of(type, keep_ntz));
  parent.known = parent.known && parent.children.back().known;
}

VectorType struct_type_of(duckdb_logical_type type, bool keep_ntz) {
  VectorType result = vector_type(DUCKDB_TYPE_STRUCT, true);
  std::vector<Field> fields;
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    char* name = duckdb_struct_type_child_name(type, i);
    add_child(result, duckdb_struct_type_child_type(type, i), keep_ntz);
    fields.push_back({name, result.children.back().type, true});
    duckdb_free(name);
  }
  result.known =
      result.known && !fields.empty() && !fields.front().name.empty() && names_differ(fields);
  if (result.known) {
    result.type = Type::structure(std::move(fields));
  }
  return result;
}

/// A map is kept as a list of structs.
VectorType map_type_of(duckdb_logical_type type, bool keep_ntz) {
  VectorType entries = vector_type(DUCKDB_TYPE_STRUCT, true);
  add_child(entries, duckdb_map_type_key_type(type), keep_ntz);
  add_child(entries, duckdb_map_type_value_type(type), keep_ntz);
  VectorType result = vector_type(DUCKDB_TYPE_MAP, entries.known);
  if (result.known) {
    result.type = Type::map(entries.children[0].type, entries.children[1].type);
    entries.type = result.type.children()[0].type;
  }
  result.children.push_back(std::move(entries));
  return result;
}

VectorType list_type_of(duckdb_logical_type type, bool keep_ntz) {
  VectorType result = vector_type(DUCKDB_TYPE_LIST, true);
  add_child(result, duckdb_list_type_child_type(type), keep_ntz);
  if (result.known) {
    result.type = Type::list(result.children[0].type);
  }
  return result;
}

VectorType array_type_of(duckdb_logical_type type, bool keep_ntz) {
  VectorType result = vector_type(DUCKDB_TYPE_ARRAY, true);
  add_child(result, duckdb_array_type_child_type(type), keep_ntz);
  const idx_t size = duckdb_array_type_array_size(type);
  result.known = result.known && size <= Type::kArraySizeMax;
  if (result.known) {
    result.type = Type::array(result.children[0].type, static_cast<int>(size));
  }
  return result;
}

}  // namespace

std::string_view unknown_type_name(int type) {
  switch (type) {
    case DUCKDB_TYPE_UBIGINT:
      return "UBIGINT";
    case DUCKDB_TYPE_HUGEINT:
      return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT:
      return "UHUGEINT";
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_TZ:
    case DUCKDB_TYPE_TIME_NS:
      return "TIME";
    case DUCKDB_TYPE_INTERVAL:
      return "INTERVAL";
    case DUCKDB_TYPE_ENUM:
      return "ENUM";
    case DUCKDB_TYPE_LIST:
      return "LIST";
    case DUCKDB_TYPE_STRUCT:
      return "STRUCT";
    case DUCKDB_TYPE_MAP:
      return "MAP";
    case DUCKDB_TYPE_ARRAY:
      return "ARRAY";
    case DUCKDB_TYPE_UUID:
      return "UUID";
    case DUCKDB_TYPE_UNION:
      return "UNION";
    case DUCKDB_TYPE_BIT:
      return "BIT";
    default:
      return "a type without a counterpart";
  }
}

void DestroyLogicalType::operator()(_duckdb_logical_type* type) const {
  duckdb_destroy_logical_type(&type);
}

VectorType vector_type_of(duckdb_logical_type type, bool keep_ntz) {
  const duckdb_type id = duckdb_get_type_id(type);
  switch (id) {
    case DUCKDB_TYPE_LIST:
      return list_type_of(type, keep_ntz);
    case DUCKDB_TYPE_ARRAY:
      return array_type_of(type, keep_ntz);
    case DUCKDB_TYPE_STRUCT:
      return struct_type_of(type, keep_ntz);
    case DUCKDB_TYPE_MAP:
      return map_type_of(type, keep_ntz);
    case DUCKDB_TYPE_DECIMAL:
      return decimal_type_of(type);
    default: {
      const std::optional<TypeId> plain = plain_type_of(id, keep_ntz);
      VectorType result = vector_type(id, plain.has_value());
      result.type = plain.value_or(TypeId::kString);
      return result;
    }
  }
}

LogicalType logical_type_of(const Type& type) {
  switch (type) {
    case Type::kDecimal:
      return LogicalType(duckdb_create_decimal_type(static_cast<uint8_t>(type.precision()),
                                                    static_cast<uint8_t>(type.scale())));
    case Type::kList:
      return LogicalType(duckdb_create_list_type(logical_type_of(type.element()).get()));
    case Type::kArray:
      return LogicalType(duckdb_create_array_type(logical_type_of(type.element()).get(),
                                                  static_cast<idx_t>(type.array_size())));
    case Type::kMap:
      return LogicalType(duckdb_create_map_type(logical_type_of(type.map_key()).get(),
                                                logical_type_of(type.map_value()).get()));
    case Type::kStruct: {
      std::vector<LogicalType> owned;
      std::vector<duckdb_logical_type> members;
      std::vector<const char*> names;
      for (const Field& field : type.children()) {
        owned.push_back(logical_type_of(field.type));
        members.push_back(owned.back().get());
        names.push_back(field.name.c_str());
      }
      return LogicalType(duckdb_create_struct_type(members.data(), names.data(), members.size()));
    }
    default:
      return LogicalType(duckdb_create_logical_type(duckdb_type_of(type)));
  }
}

bool is_nested_in_duckdb(int duckdb_type) {
  return duckdb_type == DUCKDB_TYPE_LIST || duckdb_type == DUCKDB_TYPE_STRUCT ||
         duckdb_type == DUCKDB_TYPE_MAP || duckdb_type == DUCKDB_TYPE_ARRAY ||
         duckdb_type == DUCKDB_TYPE_UNION;
}

Status refuse_duckdb_type(std::string_view column, int duckdb_type) {
  std::string message = "column " + std::string(column) + " has type " +
                        std::string(unknown_type_name(duckdb_type)) +
                        ", which a batch cannot hold; write CAST(" + SqlEngine::identifier(column) +
                        " AS " + std::string(advised_type(duckdb_type)) + ")";
  return {Code::kInvalidArgument, std::move(message)};
}

}  // namespace assay::data
