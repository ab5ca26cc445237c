// Bytes of an entity key. Per value, in the order of the entity's key columns:
//
//   type byte | payload
//   'b' bool, 'i' int32/int64, 'd' date, 't' timestamp: 8 bytes big-endian, sign bit flipped
//   's' string, 'x' bytes: 4 bytes big-endian length, then the bytes
//
// Lengths make it injective: ("a", "bc") and ("ab", "c") differ. Big-endian with the sign flipped
// makes byte order the order of integers.

#include "data/entity_key.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "base/hash.h"
#include "data/encoded_keys.h"

namespace assay::data {
namespace {

char tag_of(TypeId type) {
  switch (type) {
    case Type::kBool:
      return 'b';
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return 'i';
    case Type::kDate:
      return 'd';
    case Type::kTimestamp:
      return 't';
    case Type::kBytes:
      return 'x';
    case Type::kFloat32:
    case Type::kFloat64:
    case Type::kString:
    case Type::kTimestampNtz:
    case Type::kDecimal:
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      return 's';
  }
  return 's';
}

static_assert(std::endian::native == std::endian::little);

void append_integer(std::string& out, int64_t value) {
  const uint64_t bits = __builtin_bswap64(static_cast<uint64_t>(value) ^ 0x8000000000000000U);
  out.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
}

void append_text(std::string& out, std::string_view text) {
  const uint32_t size = __builtin_bswap32(static_cast<uint32_t>(text.size()));
  out.append(reinterpret_cast<const char*>(&size), sizeof(size));
  out += text;
}

/// Appends one value; keys of other types (is_key_type) are refused when definitions are validated.
void append_value(std::string& out, const Column& column, int64_t row) {
  out += tag_of(column.type());
  switch (column.type()) {
    case Type::kBool:
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDate:
    case Type::kTimestamp:
      append_integer(out, column.integer(row));
      break;
    case Type::kString:
    case Type::kBytes:
      append_text(out, column.text(row));
      break;
    default:
      append_text(out, format_scalar(column.scalar(row)));
      break;
  }
}

void append_value(std::string& out, const Scalar& scalar) {
  out += tag_of(scalar.type);
  if (const auto* boolean = std::get_if<bool>(&scalar.value)) {
    append_integer(out, *boolean ? 1 : 0);
  } else if (const auto* integer = std::get_if<int64_t>(&scalar.value)) {
    append_integer(out, *integer);
  } else if (const auto* text = std::get_if<std::string>(&scalar.value)) {
    append_text(out, *text);
  } else {
    append_text(out, format_scalar(scalar));
  }
}

uint64_t take_big_endian(std::string_view& bytes, std::size_t size) {
  uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  bytes.remove_prefix(size);
  return value;
}

struct KeyHash {
  std::size_t operator()(const std::string& bytes) const { return hash_bytes(bytes); }
};

}  // namespace

std::optional<EntityKey> encode_key(std::span<const Scalar> values) {
  if (values.size() == 1) {
    if (const auto* integer = std::get_if<int64_t>(&values[0].value)) {
      return encode_integer_key(values[0].type, *integer);
    }
  }
  std::string bytes;
  for (const Scalar& value : values) {
    if (value.is_null()) {
      return std::nullopt;
    }
    append_value(bytes, value);
  }
  return EntityKey(std::move(bytes));
}

std::optional<EntityKey> encode_key(std::span<const Column* const> columns, int64_t row) {
  std::string bytes;
  for (const Column* column : columns) {
    if (column->is_null(row)) {
      return std::nullopt;
    }
    append_value(bytes, *column, row);
  }
  return EntityKey(std::move(bytes));
}

EntityKey encode_integer_key(TypeId type, int64_t value) {
  const uint64_t bits = __builtin_bswap64(static_cast<uint64_t>(value) ^ 0x8000000000000000U);
  std::array<char, 1 + sizeof(bits)> bytes;
  bytes[0] = tag_of(type);
  std::memcpy(&bytes[1], &bits, sizeof(bits));
  return EntityKey(std::string(bytes.data(), bytes.size()));
}

EncodedKeys::EncodedKeys(std::span<const Column* const> columns, int64_t rows) {
  begins_.reserve(static_cast<std::size_t>(rows) + 1);
  is_null_.reserve(static_cast<std::size_t>(rows));
  begins_.push_back(0);
  for (int64_t row = 0; row < rows; ++row) {
    const bool is_null = std::any_of(
        columns.begin(), columns.end(), [&](const Column* column) { return column->is_null(row); });
    for (const Column* column : columns) {
      if (!is_null) {
        append_value(bytes_, *column, row);
      }
    }
    is_null_.push_back(is_null ? 1 : 0);
    begins_.push_back(bytes_.size());
  }
}

Result<std::vector<Scalar>> decode_key(const EntityKey& key) {
  const Status corrupt(Code::kCorrupt, "these bytes are not an entity key");
  std::vector<Scalar> values;
  std::string_view rest = key.bytes();
  while (!rest.empty()) {
    const char tag = rest.front();
    rest.remove_prefix(1);
    if (tag == 's' || tag == 'x') {
      if (rest.size() < 4) {
        return corrupt;
      }
      const std::size_t size = take_big_endian(rest, 4);
      if (rest.size() < size) {
        return corrupt;
      }
      values.push_back(
          {tag == 's' ? Type::kString : Type::kBytes, std::string(rest.substr(0, size))});
      rest.remove_prefix(size);
      continue;
    }
    if (rest.size() < 8) {
      return corrupt;
    }
    const auto integer = static_cast<int64_t>(take_big_endian(rest, 8) ^ 0x8000000000000000U);
    if (tag == 'b') {
      values.push_back(Scalar::boolean(integer != 0));
    } else if (tag == 'i') {
      values.push_back(Scalar::int64(integer));
    } else if (tag == 'd') {
      values.push_back({Type::kDate, integer});
    } else if (tag == 't') {
      values.push_back(Scalar::timestamp(integer));
    } else {
      return corrupt;
    }
  }
  return values;
}

EntityIndex index_entities(std::span<const Column* const> columns, int64_t rows) {
  EntityIndex index;
  index.ids.reserve(static_cast<std::size_t>(rows));
  std::unordered_map<std::string, int32_t, KeyHash> seen;
  std::string bytes;
  for (int64_t row = 0; row < rows; ++row) {
    bytes.clear();
    bool null = false;
    for (const Column* column : columns) {
      null = null || column->is_null(row);
      if (!null) {
        append_value(bytes, *column, row);
      }
    }
    if (null) {
      index.ids.push_back(-1);
      continue;
    }
    const auto [entry, fresh] = seen.try_emplace(bytes, static_cast<int32_t>(index.keys.size()));
    if (fresh) {
      index.keys.emplace_back(bytes);
    }
    index.ids.push_back(entry->second);
  }
  return index;
}

}  // namespace assay::data
