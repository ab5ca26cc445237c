#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "online/log_record.h"
#include "online/mapped_file.h"

namespace assay::online {

/// Bytes before the first record of a file of the log.
inline constexpr uint64_t kLogHeaderBytes = 32;
std::string encode_log_header(uint64_t number, int file_bits);

/// The files of a hash log, mapped when they are first read.
///
/// A header that fails its checksum is logged once and takes nothing with it: number and size are
/// known, and each record has its own checksum.
/// Errors  kNotFound: a file is not there (any more); kCorrupt: a record is damaged, or the file is
///         another one. Every message names file and offset.
/// Threads any number read; forget_below() must have no reader of what it forgets.
class LogFiles {
 public:
  LogFiles(std::string folder, int file_bits, Log& log);
  ~LogFiles();
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  [[nodiscard]] std::string path(uint64_t file) const;
  [[nodiscard]] uint64_t file_size() const { return uint64_t{1} << file_bits_; }
  [[nodiscard]] uint64_t file_of(uint64_t place) const { return place * kPlaceBytes >> file_bits_; }
  [[nodiscard]] uint64_t offset_of(uint64_t place) const {
    return place * kPlaceBytes & (file_size() - 1);
  }
  [[nodiscard]] uint64_t place_of(uint64_t file, uint64_t offset) const {
    return (file << file_bits_ | offset) / kPlaceBytes;
  }
  /// Place of the first record of a file.
  [[nodiscard]] uint64_t first_place(uint64_t file) const {
    return place_of(file, kLogHeaderBytes);
  }

  /// The record at a place. Views into the file, which live until it is forgotten.
  Result<LogRecord> record(uint64_t place);
  /// Its bytes, for who reads many, when their checksum is right. "" when it is not read yet how
  /// long its file is, or something is wrong; record() says what.
  [[nodiscard]] inline std::string_view sound_bytes(uint64_t place) const;
  /// What stands from a place to the end of its file as it is now; may be empty.
  Result<std::string_view> rest(uint64_t place);
  /// Bring the beginning of a record near. Nothing when its file was never read.
  inline void prefetch(uint64_t place, std::size_t bytes) const;
  /// The same failure, with file and offset of the place.
  [[nodiscard]] Status at(uint64_t place, const Status& why) const;

  /// Files before `file`, taken out of use; they are unmapped with what is returned.
  struct Segment;
  std::vector<std::unique_ptr<Segment>> forget_below(uint64_t file);

 private:
  /// One that was read before; else nullptr.
  [[nodiscard]] inline Segment* known_segment(uint64_t file) const;
  Result<Segment*> segment(uint64_t file);
  Result<Segment*> map(uint64_t file);

  static constexpr std::size_t kTableSlots = 1 << 16;

  std::string folder_;
  int file_bits_;
  Log& log_;
  std::vector<std::atomic<Segment*>> table_;  // by number, modulo its size
  std::mutex mutex_;
  std::map<uint64_t, std::unique_ptr<Segment>> segments_;
};

struct LogFiles::Segment {
  uint64_t number = 0;
  std::unique_ptr<MappedFile> file;
  const char* data = nullptr;      // of it
  std::atomic<uint64_t> bytes{0};  // of the file when it was last looked at
};

inline LogFiles::Segment* LogFiles::known_segment(uint64_t file) const {
  Segment* const known = table_[file % kTableSlots].load(std::memory_order_acquire);
  return known != nullptr && known->number == file ? known : nullptr;
}

inline void LogFiles::prefetch(uint64_t place, std::size_t bytes) const {
  constexpr uint64_t kLineBytes = 64;
  const Segment* const known = known_segment(file_of(place));
  if (known != nullptr) {
    const uint64_t offset = offset_of(place);
    const char* const end = known->data + offset + bytes;
    for (const char* line = known->data + (offset & ~(kLineBytes - 1)); line < end;
         line += kLineBytes) {
      __builtin_prefetch(line);
    }
  }
}

inline std::string_view LogFiles::sound_bytes(uint64_t place) const {
  const Segment* const known = known_segment(file_of(place));
  const uint64_t offset = offset_of(place);
  const uint64_t end = known == nullptr ? 0 : known->bytes.load(std::memory_order_acquire);
  return offset < end ? sound_record_bytes(place, {known->data + offset, end - offset})
                      : std::string_view();
}

}  // namespace assay::online
