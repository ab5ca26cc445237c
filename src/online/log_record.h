#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/memory.h"
#include "base/status.h"

// A record of the hash log, drawn in docs/formats/hash_log.md:
//
//   0    4      8          16      20     21         24
//   crc | size | previous | epoch | kind | key size | key | value | zeroes up to a multiple of 8
//
// A record's place is its offset in the log, divided by 8. The checksum covers the place and
// everything behind itself, so a record that is looked for elsewhere is found out too.

namespace assay::online {

inline constexpr uint64_t kPlaceBytes = 8;
inline constexpr std::size_t kRecordHeaderBytes = 24;

enum class RecordKind : uint8_t {
  kRow = 1,        // key: of the entity; value: its online row
  kPage = 2,       // key: number of the page, 8 bytes; value: the page
  kMeta = 3,       // no key; value: where a view stands
  kDirectory = 4,  // no key; value: the views that there are
  kCommit = 5,     // no key; value: what belongs together
  kEnd = 6,        // neither: the log goes on in the next file
  kLost = 7,       // key: a hash, 8 bytes; value: what was damaged under it
};

struct LogRecord {
  RecordKind kind = RecordKind::kRow;
  bool erased = false;    // no value: from here on there is none
  uint32_t epoch = 0;     // of the view
  uint64_t previous = 0;  // place of the version before; 0: none
  std::string_view key;
  std::string_view value;
};

/// Bytes that a record takes in the log.
constexpr uint64_t record_bytes(std::size_t key_size, std::size_t value_size) {
  return (kRecordHeaderBytes + key_size + value_size + kPlaceBytes - 1) / kPlaceBytes * kPlaceBytes;
}
inline uint64_t record_bytes(const LogRecord& record) {
  return record_bytes(record.key.size(), record.value.size());
}

/// The bytes of a transaction's records: many at times, and soon written and forgotten.
using LogBytes = std::basic_string<char, std::char_traits<char>, BlockAllocator<char>>;

/// Put the record, which will stand at `place`, at the end of `out`. Keys have less than 16 MB,
/// records less than 4 GB.
void append_record(uint64_t place, const LogRecord& record, LogBytes* out);
/// The record at the beginning of `bytes`, which go up to where it may end. Views into `bytes`.
/// Errors  kCorrupt: it is no record, or not one of this place.
Result<LogRecord> decode_record(uint64_t place, std::string_view bytes);
/// Its bytes with the zeroes behind them, when its size and checksum are right; else "".
std::string_view sound_record_bytes(uint64_t place, std::string_view bytes);
/// The value of a record, from bytes like these, when it is one of this kind, epoch and key; ""
/// when it says that there is none.
std::optional<std::string_view> value_of_record(std::string_view bytes,
                                                RecordKind kind,
                                                uint32_t epoch,
                                                std::string_view key);

/// Hash by which a record is found: 48 bits, never 0.
uint64_t record_hash(RecordKind kind, uint32_t epoch, std::string_view key);
/// Hash of the slot that leads to a record: a lost one stands under that of what was damaged.
uint64_t slot_hash(const LogRecord& record);

/// A record that cleaning could not read, so that its key is found damaged for good.
struct LostRecord {
  uint64_t hash = 0;       // of its slot
  uint64_t place = 0;      // where it stood
  uint32_t epoch = 0;      // of the view that it was of; 0: nobody knows
  uint32_t epoch_end = 0;  // it was of a view with a smaller epoch
};
/// Key and value of its record; its epoch and previous are `epoch` and `place`.
std::string lost_key(const LostRecord& lost);
std::string lost_value(const LostRecord& lost);
Result<LostRecord> decode_lost(const LogRecord& record);
/// The view of a record that fails its checksum, when kind, epoch and key are still those of the
/// slot that leads to it; 0 else.
uint32_t epoch_of_damaged(std::string_view bytes, uint64_t slot_hash);

/// What the last record of a transaction says.
struct CommitRecord {
  uint64_t begin = 0;     // place of its first record
  uint64_t tail = 0;      // number of the first log file that is still needed
  uint32_t checksum = 0;  // over the checksums of the records before
  uint32_t records = 0;   // before this one, without ends of files
};
std::string encode_commit(const CommitRecord& commit);
Result<CommitRecord> decode_commit(std::string_view value);

}  // namespace assay::online
