#include "data/type.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/ascii.h"
#include "base/check.h"
#include "data/schema.h"

namespace assay::data {
namespace {

struct TypeRow {
  TypeId id;
  std::string_view name;
  int width;
};
constexpr std::array kTypes{TypeRow{TypeId::kBool, "bool", 1},
                            TypeRow{TypeId::kInt32, "int32", 4},
                            TypeRow{TypeId::kInt64, "int64", 8},
                            TypeRow{TypeId::kFloat32, "float32", 4},
                            TypeRow{TypeId::kFloat64, "float64", 8},
                            TypeRow{TypeId::kString, "string", 0},
                            TypeRow{TypeId::kBytes, "bytes", 0},
                            TypeRow{TypeId::kDate, "date", 4},
                            TypeRow{TypeId::kTimestamp, "timestamp", 8},
                            TypeRow{TypeId::kInt8, "int8", 1},
                            TypeRow{TypeId::kInt16, "int16", 2},
                            TypeRow{TypeId::kTimestampNtz, "timestamp_ntz", 8},
                            TypeRow{TypeId::kDecimal, "decimal", 16},
                            TypeRow{TypeId::kList, "list", 0},
                            TypeRow{TypeId::kArray, "array", 0},
                            TypeRow{TypeId::kStruct, "struct", 0},
                            TypeRow{TypeId::kMap, "map", 0}};

struct Alias {
  std::string_view name;
  TypeId id;
};
constexpr std::array kAliases{Alias{"double", TypeId::kFloat64},
                              Alias{"float", TypeId::kFloat32},
                              Alias{"long", TypeId::kInt64},
                              Alias{"int", TypeId::kInt32},
                              Alias{"integer", TypeId::kInt32},
                              Alias{"short", TypeId::kInt16},
                              Alias{"smallint", TypeId::kInt16},
                              Alias{"byte", TypeId::kInt8},
                              Alias{"tinyint", TypeId::kInt8},
                              Alias{"boolean", TypeId::kBool},
                              Alias{"binary", TypeId::kBytes}};

std::optional<TypeId> plain_id(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name && !has_parameters(row.id)) {
      return row.id;
    }
  }
  for (const Alias& alias : kAliases) {
    if (alias.name == name) {
      return alias.id;
    }
  }
  return std::nullopt;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower_ascii(a[i]) != lower_ascii(b[i])) {
      return false;
    }
  }
  return true;
}

bool is_word_character(char c) {
  const char l = lower_ascii(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

std::string quoted_when_needed(const std::string& name) {
  bool plain = !name.empty();
  for (const char c : name) {
    plain = plain && is_word_character(c);
  }
  if (plain) {
    return name;
  }
  std::string out = "\"";
  for (const char c : name) {
    out.append(c == '"' ? 2 : 1, c);
  }
  return out + "\"";
}

/// Reads a type by recursive descent:
///
///   type   = single { "[" size "]" }
///   single = word | "decimal" "(" precision "," scale ")" | "list" "<" type ">"
///          | "map" "<" type "," type ">" | "struct" "<" field { "," field } ">"
///   field  = ( word | quoted ) ":" type
class TypeReader {
 public:
  explicit TypeReader(std::string_view text) : text_(text) {}

  std::optional<Type> read_all() {
    std::optional<Type> type = read_type(0);
    skip_spaces();
    return at_ == text_.size() ? std::move(type) : std::nullopt;
  }

 private:
  static constexpr int kDepthMax = 32;

  std::optional<Type> read_type(int depth) {
    if (depth > kDepthMax) {
      return std::nullopt;
    }
    std::optional<Type> type = read_single(depth);
    for (int dimensions = depth; type.has_value() && take('['); ++dimensions) {
      const std::optional<int> size = read_number();
      if (!size.has_value() || *size < 1 || *size > Type::kArraySizeMax || !take(']') ||
          dimensions > kDepthMax) {
        return std::nullopt;
      }
      type = Type::array(*std::move(type), *size);
    }
    return type;
  }

  std::optional<Type> read_single(int depth) {
    const std::string_view word = read_word();
    if (word == "decimal" && take('(')) {
      return read_decimal();
    }
    if ((word == "list" || word == "array") && take('<')) {
      std::optional<Type> element = read_type(depth + 1);
      return element && take('>') ? std::optional(Type::list(*std::move(element))) : std::nullopt;
    }
    if (word == "map" && take('<')) {
      return read_map(depth);
    }
    if (word == "struct" && take('<')) {
      return read_struct(depth);
    }
    const std::optional<TypeId> id = plain_id(word);
    return id.has_value() ? std::optional<Type>(*id) : std::nullopt;
  }

  std::optional<Type> read_decimal() {
    const std::optional<int> precision = read_number();
    if (!precision.has_value() || !take(',')) {
      return std::nullopt;
    }
    const std::optional<int> scale = read_number();
    if (!scale.has_value() || !take(')') || *precision < 1 || *precision > Type::kPrecisionMax ||
        *scale > *precision) {
      return std::nullopt;
    }
    return Type::decimal(*precision, *scale);
  }

  std::optional<Type> read_map(int depth) {
    std::optional<Type> key = read_type(depth + 1);
    if (!key.has_value() || !take(',')) {
      return std::nullopt;
    }
    std::optional<Type> value = read_type(depth + 1);
    if (!value.has_value() || !take('>')) {
      return std::nullopt;
    }
    return Type::map(*std::move(key), *std::move(value));
  }

  std::optional<Type> read_struct(int depth) {
    std::vector<Field> fields;
    do {
      std::string name = read_field_name();
      if (name.empty() || !take(':')) {
        return std::nullopt;
      }
      std::optional<Type> type = read_type(depth + 1);
      if (!type.has_value()) {
        return std::nullopt;
      }
      fields.push_back({std::move(name), *std::move(type), true});
    } while (take(','));
    if (!take('>') || !names_differ(fields)) {
      return std::nullopt;
    }
    return Type::structure(std::move(fields));
  }

  std::string read_field_name() {
    if (!take('"')) {
      return std::string(read_word());
    }
    std::string name;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') {
        if (at_ == text_.size() || text_[at_] != '"') {
          return name;
        }
        ++at_;
      }
      name.push_back(c);
    }
    return "";
  }

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') {
      ++at_;
    }
  }

  bool take(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) {
      return false;
    }
    ++at_;
    return true;
  }

  std::string_view read_word() {
    skip_spaces();
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word_character(text_[at_])) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  std::optional<int> read_number() {
    const std::string_view word = read_word();
    int number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (word.empty() || error != std::errc() || end != word.data() + word.size()) {
      return std::nullopt;
    }
    return number;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Type::Type(TypeId id) : id_(id) {
  ASSAY_CHECK(!has_parameters(id));
}

Type Type::decimal(int precision, int scale) {
  ASSAY_CHECK(precision >= 1 && precision <= kPrecisionMax && scale >= 0 && scale <= precision);
  Type type;
  type.id_ = kDecimal;
  type.precision_ = static_cast<uint8_t>(precision);
  type.scale_ = static_cast<uint8_t>(scale);
  return type;
}

Type Type::list(Type element) {
  Type type;
  type.id_ = kList;
  type.children_ = std::make_shared<const std::vector<Field>>(
      std::vector<Field>{{"element", std::move(element), true}});
  return type;
}

Type Type::array(Type element, int size) {
  ASSAY_CHECK(size >= 1 && size <= kArraySizeMax);
  Type type = list(std::move(element));
  type.id_ = kArray;
  type.array_size_ = size;
  return type;
}

Type Type::structure(std::vector<Field> fields) {
  ASSAY_CHECK(!fields.empty() && names_differ(fields));
  for (Field& field : fields) {
    field.nullable = true;
  }
  Type type;
  type.id_ = kStruct;
  type.children_ = std::make_shared<const std::vector<Field>>(std::move(fields));
  return type;
}

Type Type::map(Type key, Type value) {
  Type type = list(structure({{"key", std::move(key), true}, {"value", std::move(value), true}}));
  type.id_ = kMap;
  return type;
}

const std::vector<Field>& Type::children() const {
  static const std::vector<Field> kNone;
  return children_ == nullptr ? kNone : *children_;
}

const Type& Type::element() const {
  ASSAY_CHECK(id_ == kList || id_ == kArray);
  return children_->front().type;
}

const Type& Type::map_key() const {
  ASSAY_CHECK(id_ == kMap);
  return children_->front().type.children()[0].type;
}

const Type& Type::map_value() const {
  ASSAY_CHECK(id_ == kMap);
  return children_->front().type.children()[1].type;
}

bool Type::operator==(const Type& other) const {
  return id_ == other.id_ && precision_ == other.precision_ && scale_ == other.scale_ &&
         array_size_ == other.array_size_ &&
         (children_ == other.children_ || children() == other.children());
}

std::string type_name(const Type& type) {
  std::string name(type_id_name(type));
  switch (type) {
    case Type::kDecimal:
      return name + "(" + std::to_string(type.precision()) + "," + std::to_string(type.scale()) +
             ")";
    case Type::kList:
      return name + "<" + type_name(type.element()) + ">";
    case Type::kArray:
      return type_name(type.element()) + "[" + std::to_string(type.array_size()) + "]";
    case Type::kMap:
      return name + "<" + type_name(type.map_key()) + "," + type_name(type.map_value()) + ">";
    case Type::kStruct:
      for (const Field& field : type.children()) {
        name += name.size() == 6 ? '<' : ',';
        name += quoted_when_needed(field.name) + ":" + type_name(field.type);
      }
      return name + ">";
    default:
      return name;
  }
}

bool names_differ(const std::vector<Field>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (equal_ignoring_case(fields[i].name, fields[j].name)) {
        return false;
      }
    }
  }
  return true;
}

std::string_view type_id_name(TypeId id) {
  return kTypes[static_cast<std::size_t>(id)].name;
}
int value_width(TypeId id) {
  return kTypes[static_cast<std::size_t>(id)].width;
}

std::optional<Type> type_from_name(std::string_view name) {
  return TypeReader(name).read_all();
}

}  // namespace assay::data
