#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "catalog/yaml_document.h"
#include "data/scalar.h"

namespace assay::catalog {

/// True for [a-z][a-z0-9_]* of at most 100 bytes: names of everything but columns.
bool is_name(std::string_view text);
/// True for [A-Za-z_][A-Za-z0-9_]* of at most 100 bytes.
bool is_column_name(std::string_view text);

/// A column type and whether "!" stands after it.
struct ColumnType {
  data::Type type = data::Type::kString;
  bool required = false;
};
/// Read "string!"; kInvalidArgument with the nearest type.
Result<ColumnType> parse_column_type(std::string_view text);

/// Read "4096", "64KB", "8MB" or "1GB" (powers of 1024).
Result<int64_t> parse_byte_size(std::string_view text);
/// Read a whole number, or a number; nothing when the text is not one.
std::optional<int64_t> parse_whole(std::string_view text);
std::optional<double> parse_real(std::string_view text);
std::optional<bool> parse_boolean(std::string_view text);

/// A value as YAML means it: quoted is text, else true and false, whole numbers, numbers, text;
/// null.
data::Scalar literal_of(const YamlNode& node);

}  // namespace assay::catalog
