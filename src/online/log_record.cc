#include "online/log_record.h"

#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "online/crc32c.h"

namespace assay::online {
namespace {

constexpr uint32_t kErased = 0x80;
constexpr std::size_t kKeyBytesEnd = std::size_t{1} << 24;

template <typename T>
T value_at(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void append_value(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

uint32_t checksum(uint64_t place, std::string_view bytes) {
  return crc32c(bytes.substr(sizeof(uint32_t)), static_cast<uint32_t>(place ^ place >> 32));
}

bool known(uint32_t kind) {
  return kind >= static_cast<uint32_t>(RecordKind::kRow) &&
         kind <= static_cast<uint32_t>(RecordKind::kEnd);
}

}  // namespace

void append_record(uint64_t place, const LogRecord& record, std::string* out) {
  ASSAY_CHECK(record.key.size() < kKeyBytesEnd);
  const std::size_t begin = out->size();
  const std::size_t size = kRecordHeaderBytes + record.key.size() + record.value.size();
  append_value(out, uint32_t{0});
  append_value(out, static_cast<uint32_t>(size));
  append_value(out, record.previous);
  append_value(out, record.epoch);
  append_value(out,
               static_cast<uint32_t>(record.key.size()) << 8 | static_cast<uint32_t>(record.kind) |
                   (record.erased ? kErased : 0));
  out->append(record.key);
  out->append(record.value);
  out->append(record_bytes(record) - size, '\0');
  const uint32_t crc = checksum(place, std::string_view(*out).substr(begin));
  std::memcpy(out->data() + begin, &crc, sizeof(crc));
}

Result<LogRecord> decode_record(uint64_t place, std::string_view bytes) {
  if (bytes.size() < kRecordHeaderBytes) {
    return Status(Code::kCorrupt, "a record ends inside its header");
  }
  const auto size = value_at<uint32_t>(bytes, 4);
  const auto kind = value_at<uint32_t>(bytes, 20);
  const std::size_t key_size = kind >> 8;
  if (size < kRecordHeaderBytes + key_size ||
      record_bytes(0, size - kRecordHeaderBytes) > bytes.size()) {
    return Status(Code::kCorrupt, "a record has a size that cannot be");
  }
  bytes = bytes.substr(0, record_bytes(0, size - kRecordHeaderBytes));
  if (value_at<uint32_t>(bytes, 0) != checksum(place, bytes)) {
    return Status(Code::kCorrupt, "a record fails its checksum");
  }
  if (!known(kind & 0x7F)) {
    return Status(Code::kCorrupt, "a record is of a kind that this program does not know");
  }
  LogRecord record;
  record.kind = static_cast<RecordKind>(kind & 0x7F);
  record.erased = (kind & kErased) != 0;
  record.epoch = value_at<uint32_t>(bytes, 16);
  record.previous = value_at<uint64_t>(bytes, 8);
  record.key = bytes.substr(kRecordHeaderBytes, key_size);
  record.value = bytes.substr(kRecordHeaderBytes + key_size, size - kRecordHeaderBytes - key_size);
  return record;
}

uint64_t record_hash(RecordKind kind, uint32_t epoch, std::string_view key) {
  const uint64_t seed = uint64_t{epoch} << 8 | static_cast<uint64_t>(kind);
  const uint64_t hash = hash_bytes(key, seed * 0x9E3779B97F4A7C15) >> 16;
  return hash == 0 ? 1 : hash;
}

std::string encode_commit(const CommitRecord& commit) {
  std::string value;
  append_value(&value, commit.begin);
  append_value(&value, commit.tail);
  append_value(&value, commit.checksum);
  append_value(&value, commit.records);
  return value;
}

Result<CommitRecord> decode_commit(std::string_view value) {
  if (value.size() != 24) {
    return Status(Code::kCorrupt, "a commit record has another size");
  }
  CommitRecord commit;
  commit.begin = value_at<uint64_t>(value, 0);
  commit.tail = value_at<uint64_t>(value, 8);
  commit.checksum = value_at<uint32_t>(value, 16);
  commit.records = value_at<uint32_t>(value, 20);
  return commit;
}

}  // namespace assay::online
