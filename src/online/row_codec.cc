#include "online/row_codec.h"

#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "online/crc32c.h"

namespace assay::online {
namespace {

constexpr std::size_t kRowHeaderBytes = 8;
constexpr std::size_t kMetaBytes = 32;
constexpr uint8_t kRowVersion = 1;
constexpr uint32_t kMetaVersion = 1;
constexpr uint8_t kHoldsEntityKey = 1;
constexpr char kHashedMark = '\xff';
constexpr char kPageMark = '\xfe';  // as kHashedMark, no entity key begins with it
constexpr uint64_t kFirstSeed = 0x6173736179206B31;
constexpr uint64_t kSecondSeed = 0x6173736179206B32;

template <typename T>
void append_value(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
T value_at(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

void append_big_endian(std::string* out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>((value >> shift) & 0xFF));
  }
}

uint32_t checksum(std::string_view key, std::string_view value) {
  return crc32c(value.substr(sizeof(uint32_t)), crc32c(key));
}

void seal(std::string_view key, std::string* value) {
  const uint32_t crc = checksum(key, *value);
  std::memcpy(value->data(), &crc, sizeof(crc));
}

}  // namespace

std::string row_key_prefix(std::string_view view_name) {
  std::string prefix(view_name);
  prefix.push_back('\0');
  return prefix;
}

void append_row_key(std::string* key, std::string_view entity_key, int probe) {
  ASSAY_CHECK(!key->empty());
  if (fits_row_key(key->size() - 1, entity_key.size())) {
    key->append(entity_key);
    return;
  }
  key->push_back(kHashedMark);  // no entity key begins with this byte
  append_big_endian(key, hash_bytes(entity_key, kFirstSeed));
  append_big_endian(key, hash_bytes(entity_key, kSecondSeed));
  key->push_back(static_cast<char>(probe));
}

void append_page_key(std::string* key, uint64_t number) {
  key->push_back(kPageMark);
  append_big_endian(key, number);
}

std::string page_counter_key(std::string_view prefix) {
  std::string key(prefix);
  key.push_back(kPageMark);
  return key;
}

bool is_page_key_part(std::string_view key_part) {
  return !key_part.empty() && key_part.front() == kPageMark;
}

std::string encode_row(std::string_view row_key,
                       std::string_view entity_key,
                       std::string_view row) {
  std::string value;
  value.reserve(kRowHeaderBytes + sizeof(uint32_t) + entity_key.size() + row.size());
  append_value(&value, uint32_t{0});
  append_value(&value, entity_key.empty() ? uint8_t{0} : kHoldsEntityKey);
  append_value(&value, kRowVersion);
  append_value(&value, uint16_t{0});
  if (!entity_key.empty()) {
    append_value(&value, static_cast<uint32_t>(entity_key.size()));
    value.append(entity_key);
  }
  value.append(row);
  seal(row_key, &value);
  return value;
}

Result<StoredRow> decode_row(std::string_view row_key, std::string_view value) {
  if (value.size() < kRowHeaderBytes) {
    return Status(Code::kCorrupt, "row value is shorter than its header");
  }
  if (value_at<uint32_t>(value, 0) != checksum(row_key, value)) {
    return Status(Code::kCorrupt, "row value fails its checksum");
  }
  const auto flags = value_at<uint8_t>(value, 4);
  if (value_at<uint8_t>(value, 5) != kRowVersion || value_at<uint16_t>(value, 6) != 0 ||
      (flags & ~kHoldsEntityKey) != 0) {
    return Status(Code::kCorrupt, "row value is of a version that this program does not know");
  }
  StoredRow stored;
  stored.row = value.substr(kRowHeaderBytes);
  if (flags == kHoldsEntityKey) {
    if (stored.row.size() < sizeof(uint32_t)) {
      return Status(Code::kCorrupt, "row value ends inside its key length");
    }
    const auto length = value_at<uint32_t>(stored.row, 0);
    stored.row.remove_prefix(sizeof(uint32_t));
    if (stored.row.size() < length) {
      return Status(Code::kCorrupt, "row value ends inside its key");
    }
    stored.entity_key = stored.row.substr(0, length);
    stored.row.remove_prefix(length);
  }
  return stored;
}

std::string encode_meta(std::string_view view_name, const ViewMeta& meta) {
  std::string value;
  value.reserve(kMetaBytes);
  append_value(&value, uint32_t{0});
  append_value(&value, kMetaVersion);
  append_value(&value, meta.fingerprint);
  append_value(&value, meta.applied.position);
  append_value(&value, meta.applied.known_until.micros);
  seal(view_name, &value);
  return value;
}

Result<ViewMeta> decode_meta(std::string_view view_name, std::string_view value) {
  if (value.size() != kMetaBytes || value_at<uint32_t>(value, 0) != checksum(view_name, value)) {
    return Status(Code::kCorrupt, "position record fails its checksum");
  }
  if (value_at<uint32_t>(value, 4) != kMetaVersion) {
    return Status(Code::kCorrupt,
                  "position record is of a version that this program does not know");
  }
  ViewMeta meta;
  meta.fingerprint = value_at<uint64_t>(value, 8);
  meta.applied.position = value_at<int64_t>(value, 16);
  meta.applied.known_until = {value_at<int64_t>(value, 24)};
  return meta;
}

}  // namespace assay::online
