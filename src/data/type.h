#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::data {

/// What kind of values a column has. In memory: kBool one byte a value, kDate days and kTimestamp
/// microseconds since the epoch UTC, kTimestampNtz microseconds since 1970-01-01 00:00 of a clock
/// whose zone is not known, kString UTF-8, kBytes any bytes, kDecimal a 128-bit integer that counts
/// units of 10^-scale. From kDecimal on a type has parameters or children.
enum class TypeId : uint8_t {
  kBool,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kString,
  kBytes,
  kDate,
  kTimestamp,
  kInt8,
  kInt16,
  kTimestampNtz,
  kDecimal,  // precision, scale
  kList,     // any number of elements a row
  kArray,    // the same number of elements in each row, as embeddings have
  kStruct,   // named fields
  kMap,      // keys and values; a list of structs `key`, `value`
};

constexpr bool has_parameters(TypeId id) {
  return id >= TypeId::kDecimal;
}
/// Lists, arrays, structs and maps: what has child columns.
constexpr bool is_nested(TypeId id) {
  return id >= TypeId::kList;
}
constexpr bool is_integer(TypeId id) {
  return id == TypeId::kInt32 || id == TypeId::kInt64 || id == TypeId::kInt8 ||
         id == TypeId::kInt16;
}
constexpr bool is_real(TypeId id) {
  return id == TypeId::kFloat32 || id == TypeId::kFloat64;
}
/// Numbers that arithmetic takes as they are; decimals are not.
constexpr bool is_numeric(TypeId id) {
  return is_integer(id) || is_real(id);
}
constexpr bool is_text(TypeId id) {
  return id == TypeId::kString || id == TypeId::kBytes;
}
constexpr bool is_time(TypeId id) {
  return id == TypeId::kTimestamp || id == TypeId::kTimestampNtz;
}

/// Types of which entity keys are made.
constexpr bool is_key_type(TypeId id) {
  return is_text(id) || id == TypeId::kBool || id == TypeId::kInt8 || id == TypeId::kInt16 ||
         id == TypeId::kInt32 || id == TypeId::kInt64 || id == TypeId::kDate ||
         id == TypeId::kTimestamp;
}

struct Field;

/// The type of a column: an id and, for some, parameters and children. `Type::kInt64` is an id and
/// converts to a type; a type converts to its id, so it can be switched over. Values inside lists,
/// arrays, structs and maps may be null, keys of maps may not.
///
/// Threads immutable; children are shared.
class Type {
 public:
  // Not `using enum TypeId`: g++ 12 fails on its enumerators inside templates.
  static constexpr TypeId kBool = TypeId::kBool;
  static constexpr TypeId kInt32 = TypeId::kInt32;
  static constexpr TypeId kInt64 = TypeId::kInt64;
  static constexpr TypeId kFloat32 = TypeId::kFloat32;
  static constexpr TypeId kFloat64 = TypeId::kFloat64;
  static constexpr TypeId kString = TypeId::kString;
  static constexpr TypeId kBytes = TypeId::kBytes;
  static constexpr TypeId kDate = TypeId::kDate;
  static constexpr TypeId kTimestamp = TypeId::kTimestamp;
  static constexpr TypeId kInt8 = TypeId::kInt8;
  static constexpr TypeId kInt16 = TypeId::kInt16;
  static constexpr TypeId kTimestampNtz = TypeId::kTimestampNtz;
  static constexpr TypeId kDecimal = TypeId::kDecimal;
  static constexpr TypeId kList = TypeId::kList;
  static constexpr TypeId kArray = TypeId::kArray;
  static constexpr TypeId kStruct = TypeId::kStruct;
  static constexpr TypeId kMap = TypeId::kMap;

  static constexpr int kPrecisionMax = 38;
  static constexpr int kArraySizeMax = 65536;

  /// A type without parameters. A bug of ours: an id that has some.
  Type(TypeId id);  // NOLINT(google-explicit-constructor)
  Type() : id_(kInt64) {}
  /// 1 <= precision <= kPrecisionMax, 0 <= scale <= precision.
  static Type decimal(int precision, int scale);
  static Type list(Type element);
  /// 1 <= size <= kArraySizeMax.
  static Type array(Type element, int size);
  /// At least one field; names_differ(fields).
  static Type structure(std::vector<Field> fields);
  static Type map(Type key, Type value);

  operator TypeId() const { return id_; }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] TypeId id() const { return id_; }
  [[nodiscard]] int precision() const { return precision_; }
  [[nodiscard]] int scale() const { return scale_; }
  /// Elements a row of a kArray.
  [[nodiscard]] int array_size() const { return array_size_; }
  /// Of a list or array one, `element`; of a map one, `entries`, a struct of `key` and `value`; of
  /// a struct its fields.
  [[nodiscard]] const std::vector<Field>& children() const;
  /// Type of the elements of a list or array.
  [[nodiscard]] const Type& element() const;
  [[nodiscard]] const Type& map_key() const;
  [[nodiscard]] const Type& map_value() const;

  bool operator==(const Type& other) const;
  bool operator==(TypeId id) const { return id_ == id; }

 private:
  TypeId id_;
  uint8_t precision_ = 0;
  uint8_t scale_ = 0;
  int32_t array_size_ = 0;
  std::shared_ptr<const std::vector<Field>> children_;
};

/// "bool", "int8", "int16", "int32", "int64", "float32", "float64", "string", "bytes", "date",
/// "timestamp", "timestamp_ntz", "decimal(10,2)", "list<int64>", "float32[8]",
/// "struct<a:int64,b:string>", "map<string,int64>". type_from_name reads it back.
std::string type_name(const Type& type);
/// The name of an id: "int64", "decimal", "list", "array", "struct", "map".
std::string_view type_id_name(TypeId id);
/// The type of a name as users write it; spaces between the parts do not matter. Also "double",
/// "float", "long", "int", "integer", "short", "smallint", "byte", "tinyint", "boolean", "binary",
/// and "array<T>" for "list<T>". A field of a struct whose name has other characters than letters,
/// digits and `_` stands in double quotes.
std::optional<Type> type_from_name(std::string_view name);
/// False when two fields have one name, also when case is ignored.
bool names_differ(const std::vector<Field>& fields);
/// Bytes of one value; 0 for text and nested types.
int value_width(TypeId id);

}  // namespace assay::data
