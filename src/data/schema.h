#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/type.h"

namespace assay::data {

struct Field {
  std::string name;
  Type type = Type::kString;
  bool nullable = true;
  bool operator==(const Field&) const = default;
};

/// Named, typed columns in order. Names are unique, also when case is ignored.
///
/// Threads immutable.
class Schema {
 public:
  Schema() = default;
  explicit Schema(std::vector<Field> fields) : fields_(std::move(fields)) {}

  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  [[nodiscard]] int size() const { return static_cast<int>(fields_.size()); }
  [[nodiscard]] const Field& field(int index) const {
    return fields_.at(static_cast<std::size_t>(index));
  }
  /// Index of the column of exactly this name.
  [[nodiscard]] std::optional<int> find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  bool operator==(const Schema&) const = default;

 private:
  std::vector<Field> fields_;
};

using SchemaPtr = std::shared_ptr<const Schema>;
SchemaPtr make_schema(std::vector<Field> fields);

}  // namespace assay::data
