#include "data/feast_value.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "base/time.h"
#include "data/column.h"
#include "data/json_text.h"
#include "data/protobuf.h"

namespace assay::data {
namespace {

using Wire = ProtoField::Wire;

// feast.types.ValueType.Enum.
constexpr int kBytesValue = 1;
constexpr int kStringValue = 2;
constexpr int kInt32Value = 3;
constexpr int kInt64Value = 4;
constexpr int kDoubleValue = 5;
constexpr int kFloatValue = 6;
constexpr int kBoolValue = 7;
constexpr int kTimeValue = 8;
constexpr int kListsFrom = 10;  // the list of a type stands ten behind it
constexpr int kNullValue = 19;
constexpr int kJsonValue = 32;
constexpr int kDecimalValue = 44;
/// What stands for a time that is null, in lists and where Feast wrote a column that has nulls.
constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

int scalar_value_type(TypeId type) {
  switch (type) {
    case TypeId::kBool:
      return kBoolValue;
    case TypeId::kInt8:
    case TypeId::kInt16:
    case TypeId::kInt32:
      return kInt32Value;
    case TypeId::kInt64:
      return kInt64Value;
    case TypeId::kFloat32:
      return kFloatValue;
    case TypeId::kFloat64:
      return kDoubleValue;
    case TypeId::kString:
    case TypeId::kDate:
    case TypeId::kTimestampNtz:
      return kStringValue;
    case TypeId::kBytes:
      return kBytesValue;
    case TypeId::kTimestamp:
      return kTimeValue;
    case TypeId::kDecimal:
      return kDecimalValue;
    default:
      return kJsonValue;
  }
}

/// Text and bytes as they are, dates and the like as their text.
std::string text_of(const Scalar& value) {
  return is_text(value.type) ? std::get<std::string>(value.value) : format_scalar(value);
}

int64_t to_seconds(int64_t micros) {
  return floor_to(micros, kMicrosPerSecond) / kMicrosPerSecond;
}

/// One number of a packed list; a null is Feast's stand-in for it.
void append_packed(std::string* out, const Column& column, int64_t row) {
  switch (column.type()) {
    case TypeId::kFloat32: {
      const float value = column.values<float>()[static_cast<std::size_t>(row)];
      out->append(reinterpret_cast<const char*>(&value), sizeof(value));
      return;
    }
    case TypeId::kFloat64: {
      const double value = column.values<double>()[static_cast<std::size_t>(row)];
      out->append(reinterpret_cast<const char*>(&value), sizeof(value));
      return;
    }
    case TypeId::kTimestamp:
      append_varint(
          out,
          static_cast<uint64_t>(column.is_null(row) ? kNoTime : to_seconds(column.integer(row))));
      return;
    default:
      append_varint(out, static_cast<uint64_t>(column.integer(row)));
  }
}

bool is_packed(int element) {
  return element != kStringValue && element != kBytesValue;
}

std::string list_message(const Column& column, int64_t row, int element) {
  std::string message;
  ProtoWriter writer(message);
  const Column& elements = column.child(0);
  const ElementRange range = column.elements(row);
  if (is_packed(element)) {
    std::string packed;
    for (int64_t at = range.begin; at < range.end; ++at) {
      append_packed(&packed, elements, at);
    }
    if (!packed.empty()) {
      writer.bytes(1, packed);
    }
    return message;
  }
  for (int64_t at = range.begin; at < range.end; ++at) {
    writer.bytes(1,
                 is_text(elements.type()) ? std::string(elements.text(at))
                                          : format_scalar(elements.scalar(at)));
  }
  return message;
}

Status not_of_type(const Type& type) {
  return {Code::kInvalidArgument, "not a Feast value of type " + type_name(type)};
}

double to_double(const ProtoField& field) {
  double value = 0;
  std::memcpy(&value, &field.bits, sizeof(value));
  return value;
}

double to_float(const ProtoField& field) {
  const auto bits = static_cast<uint32_t>(field.bits);
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// One value out of a field, or out of one number of a packed list.
Result<Scalar> scalar_of(const ProtoField& field, const Type& type) {
  const auto whole = static_cast<int64_t>(field.bits);
  const int kind = scalar_value_type(type);
  const Wire wire =
      kind == kDoubleValue  ? Wire::kFixed64
      : kind == kFloatValue ? Wire::kFixed32
      : kind == kInt32Value || kind == kInt64Value || kind == kBoolValue || kind == kTimeValue
          ? Wire::kVarint
          : Wire::kBytes;
  if (field.wire != wire) {
    return not_of_type(type);
  }
  switch (kind) {
    case kBoolValue:
      return Scalar::boolean(whole != 0);
    case kInt32Value:
    case kInt64Value:
      if (!fits_integer(whole, type)) {
        return not_of_type(type);
      }
      return Scalar{type, whole};
    case kTimeValue:
      if (whole == kNoTime) {
        return Scalar::null(type);
      }
      if (whole < kFirstInstant.micros / kMicrosPerSecond ||
          whole >= kEndInstant.micros / kMicrosPerSecond) {
        return not_of_type(type);
      }
      return Scalar::timestamp(whole * kMicrosPerSecond);
    case kFloatValue:
      return Scalar{type, to_float(field)};
    case kDoubleValue:
      return Scalar{type, to_double(field)};
    case kJsonValue:
      return parse_json(field.bytes, type);
    case kDecimalValue:
      return parse_scalar(field.bytes, type);
    default:
      return is_text(type) ? Scalar{type, std::string(field.bytes)}
                           : parse_scalar(field.bytes, type);
  }
}

/// Hands every element of a list message to `take`, packed or not.
template <typename Take>
Status for_elements(std::string_view message, Wire wire, const Take& take) {
  ProtoReader reader(message);
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<ProtoField> field, reader.next());
    if (!field.has_value()) {
      return {};
    }
    if (field->number != 1) {
      continue;
    }
    if (wire == Wire::kBytes || field->wire != Wire::kBytes) {
      ASSAY_RETURN_IF_ERROR(take(*field));
      continue;
    }
    const std::size_t width = wire == Wire::kFixed64 ? 8 : 4;
    ProtoReader packed(field->bytes);
    for (std::size_t at = 0;; at += width) {
      ProtoField element{1, wire, 0, {}};
      if (wire == Wire::kVarint) {
        ASSAY_ASSIGN_OR_RETURN(const std::optional<uint64_t> number, packed.next_varint());
        if (!number.has_value()) {
          break;
        }
        element.bits = *number;
      } else if (at >= field->bytes.size()) {
        break;
      } else if (field->bytes.size() - at < width) {
        return {Code::kInvalidArgument, "a packed list ends inside a number"};
      } else {
        std::memcpy(&element.bits, field->bytes.data() + at, width);
      }
      ASSAY_RETURN_IF_ERROR(take(element));
    }
  }
}

Result<Scalar> list_of(std::string_view message, const Type& type) {
  const Type& element = type.element();
  const Wire wire = element == TypeId::kFloat64             ? Wire::kFixed64
                    : element == TypeId::kFloat32           ? Wire::kFixed32
                    : is_packed(scalar_value_type(element)) ? Wire::kVarint
                                                            : Wire::kBytes;
  ColumnBuilder builder(type);
  int64_t count = 0;
  ASSAY_RETURN_IF_ERROR(for_elements(message, wire, [&](const ProtoField& field) -> Status {
    ASSAY_ASSIGN_OR_RETURN(const Scalar value, scalar_of(field, element));
    builder.child(0).append_scalar(value);
    ++count;
    return {};
  }));
  if (type == TypeId::kArray && count != type.array_size()) {
    return not_of_type(type);
  }
  builder.append_nested();
  return Scalar::nested(builder.finish());
}

void append_word(std::string* out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    *out += static_cast<char>(value >> (8 * i) & 0xFF);
  }
}

void append_sized(std::string* out, int kind, std::string_view bytes) {
  append_word(out, static_cast<uint64_t>(kind), 4);
  append_word(out, bytes.size(), 4);
  out->append(bytes);
}

uint32_t rotate(uint32_t value, int by) {
  return value << by | value >> (32 - by);
}

uint32_t murmur3_32(std::string_view text) {
  const auto mix = [](uint32_t block) { return rotate(block * 0xcc9e2d51U, 15) * 0x1b873593U; };
  uint32_t hash = 0;
  std::size_t at = 0;
  for (; at + 4 <= text.size(); at += 4) {
    uint32_t block = 0;
    std::memcpy(&block, text.data() + at, 4);
    hash = rotate(hash ^ mix(block), 13) * 5 + 0xe6546b64U;
  }
  uint32_t tail = 0;
  for (std::size_t i = text.size(); i > at; --i) {
    tail = tail << 8 | static_cast<uint8_t>(text[i - 1]);
  }
  hash ^= mix(tail);
  hash ^= static_cast<uint32_t>(text.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6bU;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35U;
  return hash ^ hash >> 16;
}

}  // namespace

int feast_value_type(const Type& type) {
  if (type != TypeId::kList && type != TypeId::kArray) {
    return scalar_value_type(type);
  }
  const int element = scalar_value_type(type.element());
  return element <= kTimeValue ? kListsFrom + element : kJsonValue;
}

std::optional<Type> type_of_feast_value(uint64_t number) {
  static const std::map<uint64_t, Type> kTypes = [] {
    std::map<uint64_t, Type> types;
    for (const TypeId id : {TypeId::kBytes,
                            TypeId::kString,
                            TypeId::kInt32,
                            TypeId::kInt64,
                            TypeId::kFloat64,
                            TypeId::kFloat32,
                            TypeId::kBool,
                            TypeId::kTimestamp}) {
      for (const Type& type : {Type(id), Type::list(Type(id))}) {
        types.emplace(static_cast<uint64_t>(feast_value_type(type)), type);
      }
    }
    return types;
  }();
  const auto found = kTypes.find(number);
  return found == kTypes.end() ? std::nullopt : std::optional(found->second);
}

std::string to_feast_value(const Scalar& value) {
  std::string out;
  if (value.is_null()) {
    return out;
  }
  ProtoWriter writer(out);
  const int kind = feast_value_type(value.type);
  switch (kind) {
    case kBoolValue:
      writer.boolean(kind, std::get<bool>(value.value));
      return out;
    case kInt32Value:
    case kInt64Value:
      writer.integer(kind, std::get<int64_t>(value.value));
      return out;
    case kTimeValue:
      writer.integer(kind, to_seconds(std::get<int64_t>(value.value)));
      return out;
    case kFloatValue:
      writer.real32(kind, static_cast<float>(std::get<double>(value.value)));
      return out;
    case kDoubleValue:
      writer.real64(kind, std::get<double>(value.value));
      return out;
    case kBytesValue:
    case kStringValue:
    case kDecimalValue:
      writer.bytes(kind, text_of(value));
      return out;
    case kJsonValue: {
      std::string json;
      append_json(json, *std::get<NestedValue>(value.value).row, 0, JsonNonFinite::kNull);
      writer.bytes(kind, json);
      return out;
    }
    default:
      writer.bytes(kind,
                   list_message(*std::get<NestedValue>(value.value).row, 0, kind - kListsFrom));
      return out;
  }
}

Result<Scalar> from_feast_value(std::string_view value, const Type& type) {
  const int kind = feast_value_type(type);
  Scalar found = Scalar::null(type);
  ProtoReader reader(value);
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<ProtoField> field, reader.next());
    if (!field.has_value()) {
      return found;
    }
    if (field->number == kNullValue) {
      found = Scalar::null(type);
      continue;
    }
    if (field->number != kind) {
      return not_of_type(type);
    }
    if (kind > kListsFrom && kind < kNullValue) {
      if (field->wire != Wire::kBytes) {
        return not_of_type(type);
      }
      ASSAY_ASSIGN_OR_RETURN(found, list_of(field->bytes, type));
    } else {
      ASSAY_ASSIGN_OR_RETURN(found, scalar_of(*field, type));
    }
  }
}

Result<std::optional<std::string>> feast_entity_key(std::span<const Field> keys,
                                                    std::span<const Scalar> values) {
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return keys[a].name < keys[b].name;
  });
  std::string out;
  append_word(&out, keys.size(), 4);
  for (const std::size_t at : order) {
    append_sized(&out, kStringValue, keys[at].name);
  }
  for (const std::size_t at : order) {
    const Scalar& value = values[at];
    if (value.is_null()) {
      return std::optional<std::string>();
    }
    const int kind = feast_value_type(keys[at].type);
    std::string bytes;
    if (kind == kBytesValue || kind == kStringValue) {
      bytes = text_of(value);
    } else if (kind == kInt32Value || kind == kInt64Value) {
      const auto whole = static_cast<uint64_t>(std::get<int64_t>(value.value));
      append_word(&bytes, whole, kind == kInt32Value ? 4 : 8);
    } else if (kind == kTimeValue) {
      append_word(&bytes, static_cast<uint64_t>(to_seconds(std::get<int64_t>(value.value))), 8);
    } else {
      return Status(
          Code::kInvalidArgument,
          "Feast has no entity keys of type " + type_name(keys[at].type) + ": " + keys[at].name);
    }
    append_sized(&out, kind, bytes);
  }
  return std::optional<std::string>(std::move(out));
}

std::string feast_redis_field(std::string_view view, std::string_view feature) {
  std::string text(view);
  text += ':';
  text += feature;
  std::string out;
  append_word(&out, murmur3_32(text), 4);
  return out;
}

}  // namespace assay::data
