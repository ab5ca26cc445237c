#include "serve/grpc_columns.h"

#include <cmath>
#include <string>
#include <utility>

#include "base/time.h"
#include "data/feast_value.h"
#include "data/json_text.h"
#include "serve/json_value.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using Wire = ProtoField::Wire;

/// A number that JSON can have.
Result<JsonValue> json_of_real(double value) {
  return std::isfinite(value)
             ? Result<JsonValue>(value)
             : Status(Code::kInvalidArgument, "values are finite numbers, or null for none");
}

/// The number of a Value that is one int64 and nothing else, as most keys are.
std::optional<int64_t> whole_number(std::string_view value) {
  static const char kTag = static_cast<char>(data::feast_value_type(data::TypeId::kInt64) << 3);
  if (value.size() < 2 || value.size() > data::kVarintBytesMax || value[0] != kTag) {
    return std::nullopt;  // a number of the most bytes too: whether it is one is asked elsewhere
  }
  uint64_t number = 0;
  for (std::size_t i = 1; i < value.size(); ++i) {
    const auto byte = static_cast<uint8_t>(value[i]);
    if ((byte >= 0x80) != (i + 1 < value.size())) {
      return std::nullopt;
    }
    number |= static_cast<uint64_t>(byte & 0x7F) << (7 * (i - 1));
  }
  return static_cast<int64_t>(number);
}

/// A feast.types.Value as the JSON of a request would have it.
Result<JsonValue> json_of(std::string_view value) {
  if (const std::optional<int64_t> number = whole_number(value)) {
    return JsonValue(*number);
  }
  ProtoField kind;
  ASSAY_RETURN_IF_ERROR(for_fields(value, [&](const ProtoField& field) -> Status {
    kind = field;
    return {};
  }));
  constexpr int kNull = 19;
  constexpr int kJson = 32;
  if (kind.number == 0 || kind.number == kNull) {
    return JsonValue();
  }
  if (kind.number == kJson && kind.wire == Wire::kBytes) {
    std::optional<JsonValue> json = parse_json_value(kind.bytes);
    return json.has_value() ? Result<JsonValue>(*std::move(json))
                            : Status(Code::kInvalidArgument, "a json_val is no JSON");
  }
  const std::optional<data::Type> type =
      data::type_of_feast_value(static_cast<uint64_t>(kind.number));
  if (!type.has_value()) {
    return Status(Code::kInvalidArgument,
                  "values of this type are not taken: field " + std::to_string(kind.number));
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Scalar scalar, data::from_feast_value(value, *type));
  switch (*type) {
    case data::TypeId::kBool:
      return JsonValue(std::get<bool>(scalar.value));
    case data::TypeId::kInt32:
    case data::TypeId::kInt64:
      return JsonValue(std::get<int64_t>(scalar.value));
    case data::TypeId::kTimestamp:
      return JsonValue(std::get<int64_t>(scalar.value) / kMicrosPerSecond);
    case data::TypeId::kFloat32:
    case data::TypeId::kFloat64:
      return json_of_real(std::get<double>(scalar.value));
    case data::TypeId::kBytes:
      return JsonValue(data::to_base64(std::get<std::string>(scalar.value)));
    case data::TypeId::kString:
      return JsonValue(std::get<std::string>(scalar.value));
    default: {
      std::string json;
      JsonWriter writer(json);
      write_scalar(writer, scalar);
      return JsonValue(JsonText{std::move(json)});
    }
  }
}

}  // namespace

Status ColumnsReader::add(std::string_view entry) {
  std::string_view name;
  std::vector<JsonValue> values;
  ASSAY_RETURN_IF_ERROR(for_fields(entry, [&](const ProtoField& field) -> Status {
    if (field.number == 1 && field.wire == Wire::kBytes) {
      name = field.bytes;
    } else if (field.number == 2 && field.wire == Wire::kBytes) {
      return for_fields(field.bytes, [&](const ProtoField& value) -> Status {
        if (value.number == 1 && value.wire == Wire::kBytes) {
          ASSAY_ASSIGN_OR_RETURN(JsonValue json, json_of(value.bytes));
          values.push_back(std::move(json));
        }
        return {};
      });
    }
    return {};
  }));
  columns_.put(name, std::move(values));
  return columns_.size() <= kNamesMax
             ? Status()
             : Status(Code::kInvalidArgument,
                      "at most " + std::to_string(kNamesMax) + " names are taken");
}

}  // namespace assay::serve
