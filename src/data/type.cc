#include "data/type.h"

#include <array>

namespace assay::data {
namespace {

struct TypeRow {
  Type type;
  std::string_view name;
  int width;
};
constexpr std::array kTypes{TypeRow{Type::kBool, "bool", 1},
                            TypeRow{Type::kInt32, "int32", 4},
                            TypeRow{Type::kInt64, "int64", 8},
                            TypeRow{Type::kFloat32, "float32", 4},
                            TypeRow{Type::kFloat64, "float64", 8},
                            TypeRow{Type::kString, "string", 0},
                            TypeRow{Type::kBytes, "bytes", 0},
                            TypeRow{Type::kDate, "date", 4},
                            TypeRow{Type::kTimestamp, "timestamp", 8}};

struct Alias {
  std::string_view name;
  Type type;
};
constexpr std::array kAliases{Alias{"double", Type::kFloat64},
                              Alias{"float", Type::kFloat32},
                              Alias{"long", Type::kInt64},
                              Alias{"int", Type::kInt32},
                              Alias{"integer", Type::kInt32},
                              Alias{"boolean", Type::kBool},
                              Alias{"binary", Type::kBytes}};

}  // namespace

std::string_view type_name(Type type) {
  return kTypes[static_cast<std::size_t>(type)].name;
}
int value_width(Type type) {
  return kTypes[static_cast<std::size_t>(type)].width;
}

std::optional<Type> type_from_name(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) {
      return row.type;
    }
  }
  for (const Alias& alias : kAliases) {
    if (alias.name == name) {
      return alias.type;
    }
  }
  return std::nullopt;
}

}  // namespace assay::data
