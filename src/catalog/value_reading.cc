#include "catalog/value_reading.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "base/suggest.h"

namespace assay::catalog {
namespace {

constexpr std::size_t kNameBytesMax = 100;

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && is_lower(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_lower(c) || is_digit(c) || c == '_';
         });
}

bool is_column_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && !is_digit(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_lower(c) || is_upper(c) || is_digit(c) || c == '_';
         });
}

Result<ColumnType> parse_column_type(std::string_view text) {
  ColumnType result;
  if (!text.empty() && text.back() == '!') {
    result.required = true;
    text.remove_suffix(1);
  }
  const std::optional<data::Type> type = data::type_from_name(text);
  if (type == data::TypeId::kTimestampNtz) {
    return Status(
        Code::kInvalidArgument,
        "times in tables are in UTC; declare `timestamp`, not `" + std::string(text) + "`");
  }
  if (!type.has_value()) {
    const std::vector<std::string> names = {"bool",
                                            "int8",
                                            "int16",
                                            "int32",
                                            "int64",
                                            "float32",
                                            "float64",
                                            "string",
                                            "bytes",
                                            "date",
                                            "timestamp",
                                            "decimal(10,2)",
                                            "list<string>",
                                            "map<string,int64>"};
    std::string help = did_you_mean(text, names);
    if (help.empty()) {
      help =
          "; take one of bool, int8, int16, int32, int64, float32, float64, string, bytes, date, "
          "timestamp, or such as decimal(10,2), list<string>, float32[8], "
          "struct<a:int64,b:string>, map<string,int64>";
    }
    return Status(Code::kInvalidArgument, "unknown type `" + std::string(text) + "`" + help);
  }
  result.type = *type;
  return result;
}

Result<int64_t> parse_byte_size(std::string_view text) {
  std::string_view digits = text;
  int64_t unit = 1;
  const std::pair<std::string_view, int64_t> units[] = {{"KiB", int64_t{1} << 10},
                                                        {"MiB", int64_t{1} << 20},
                                                        {"GiB", int64_t{1} << 30},
                                                        {"KB", int64_t{1} << 10},
                                                        {"MB", int64_t{1} << 20},
                                                        {"GB", int64_t{1} << 30},
                                                        {"B", 1}};
  for (const auto& [suffix, size] : units) {
    if (digits.size() > suffix.size() && digits.substr(digits.size() - suffix.size()) == suffix) {
      digits.remove_suffix(suffix.size());
      unit = size;
      break;
    }
  }
  const std::optional<int64_t> count = parse_whole(digits);
  if (!count.has_value() || *count <= 0 || *count > (int64_t{1} << 40) / unit) {
    return Status(
        Code::kInvalidArgument,
        "`" + std::string(text) + "` is not a size; write a whole number and KB, MB or GB");
  }
  return *count * unit;
}

std::optional<int64_t> parse_whole(std::string_view text) {
  int64_t value = 0;
  if (text.size() > 1 && text[0] == '+') {
    text.remove_prefix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() ||
      !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "True") {
    return true;
  }
  if (text == "false" || text == "False") {
    return false;
  }
  return std::nullopt;
}

data::Scalar literal_of(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar) {
    return data::Scalar::null(data::Type::kString);
  }
  if (!node.quoted) {
    if (const std::optional<bool> boolean = parse_boolean(node.text)) {
      return data::Scalar::boolean(*boolean);
    }
    if (const std::optional<int64_t> whole = parse_whole(node.text)) {
      return data::Scalar::int64(*whole);
    }
    if (const std::optional<double> real = parse_real(node.text)) {
      return data::Scalar::float64(*real);
    }
  }
  return data::Scalar::string(node.text);
}

}  // namespace assay::catalog
