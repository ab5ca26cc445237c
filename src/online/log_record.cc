#include "online/log_record.h"

#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "online/crc32c.h"
#include "online/word_bytes.h"

namespace assay::online {
namespace {

constexpr uint32_t kErased = 0x80;
constexpr std::size_t kKeyBytesEnd = std::size_t{1} << 24;

uint32_t checksum(uint64_t place, std::string_view bytes) {
  return crc32c(bytes.substr(sizeof(uint32_t)), static_cast<uint32_t>(place ^ place >> 32));
}

/// Whether the bytes begin with the header of a record that ends among them.
bool has_size(std::string_view bytes) {
  if (bytes.size() < kRecordHeaderBytes) {
    return false;
  }
  const auto size = value_at<uint32_t>(bytes, 4);
  return size >= kRecordHeaderBytes + (value_at<uint32_t>(bytes, 20) >> 8) &&
         record_bytes(0, size - kRecordHeaderBytes) <= bytes.size();
}

/// Whether a key stands there. Most have one number: nine bytes, which two words that overlap hold.
bool is_key(const char* held, std::string_view key) {
  if (key.size() < 8 || key.size() > 16) {
    return std::memcmp(held, key.data(), key.size()) == 0;
  }
  const auto word = [](const char* bytes) { return value_at<uint64_t>({bytes, 8}, 0); };
  const std::size_t last = key.size() - 8;
  return ((word(held) ^ word(key.data())) | (word(held + last) ^ word(key.data() + last))) == 0;
}

bool known(uint32_t kind) {
  return kind >= static_cast<uint32_t>(RecordKind::kRow) &&
         kind <= static_cast<uint32_t>(RecordKind::kLost);
}

}  // namespace

void append_record(uint64_t place, const LogRecord& record, LogBytes* out) {
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
  if (!has_size(bytes)) {
    return Status(Code::kCorrupt, "a record has a size that cannot be");
  }
  bytes = sound_record_bytes(place, bytes);
  if (bytes.empty()) {
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

std::string_view sound_record_bytes(uint64_t place, std::string_view bytes) {
  if (!has_size(bytes)) {
    return {};
  }
  bytes = {bytes.data(), record_bytes(0, value_at<uint32_t>(bytes, 4) - kRecordHeaderBytes)};
  return value_at<uint32_t>(bytes, 0) == checksum(place, bytes) ? bytes : std::string_view();
}

std::optional<std::string_view> value_of_record(std::string_view bytes,
                                                RecordKind kind,
                                                uint32_t epoch,
                                                std::string_view key) {
  const auto word = value_at<uint32_t>(bytes, 20);
  if (word >> 8 != key.size() || (word & 0x7F) != static_cast<uint32_t>(kind) ||
      value_at<uint32_t>(bytes, 16) != epoch || !is_key(bytes.data() + kRecordHeaderBytes, key)) {
    return std::nullopt;
  }
  const std::size_t begin = kRecordHeaderBytes + key.size();
  return (word & kErased) != 0
             ? std::string_view()
             : std::string_view(bytes.data() + begin, value_at<uint32_t>(bytes, 4) - begin);
}

uint64_t record_hash(RecordKind kind, uint32_t epoch, std::string_view key) {
  const uint64_t seed = uint64_t{epoch} << 8 | static_cast<uint64_t>(kind);
  const uint64_t hash = hash_bytes(key, seed * 0x9E3779B97F4A7C15) >> 16;
  return hash == 0 ? 1 : hash;
}

uint64_t slot_hash(const LogRecord& record) {
  if (record.kind != RecordKind::kLost) {
    return record_hash(record.kind, record.epoch, record.key);
  }
  return record.key.size() == sizeof(uint64_t) ? value_at<uint64_t>(record.key, 0) : 1;
}

std::string lost_key(const LostRecord& lost) {
  std::string key;
  append_value(&key, lost.hash);
  return key;
}

std::string lost_value(const LostRecord& lost) {
  std::string value;
  append_value(&value, lost.place);
  append_value(&value, lost.epoch_end);
  return value;
}

Result<LostRecord> decode_lost(const LogRecord& record) {
  if (record.key.size() != sizeof(uint64_t) || record.value.size() != 12) {
    return Status(Code::kCorrupt, "the record of a lost one has another size");
  }
  return LostRecord{value_at<uint64_t>(record.key, 0),
                    value_at<uint64_t>(record.value, 0),
                    record.epoch,
                    value_at<uint32_t>(record.value, 8)};
}

uint32_t epoch_of_damaged(std::string_view bytes, uint64_t slot_hash) {
  if (bytes.size() < kRecordHeaderBytes) {
    return 0;
  }
  const auto kind = value_at<uint32_t>(bytes, 20);
  const auto epoch = value_at<uint32_t>(bytes, 16);
  const std::string_view key = bytes.substr(kRecordHeaderBytes, kind >> 8);
  return record_hash(static_cast<RecordKind>(kind & 0x7F), epoch, key) == slot_hash ? epoch : 0;
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
