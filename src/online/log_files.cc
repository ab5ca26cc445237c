#include "online/log_files.h"

#include <algorithm>
#include <cstring>

#include "base/file_system.h"
#include "online/crc32c.h"
#include "online/word_bytes.h"

namespace assay::online {
namespace {

constexpr std::string_view kMagic = "ASSAYLOG";
constexpr uint32_t kVersion = 1;

}  // namespace

std::string encode_log_header(uint64_t number, int file_bits) {
  std::string bytes(kMagic);
  append_value(&bytes, kVersion);
  append_value(&bytes, static_cast<uint32_t>(file_bits));
  append_value(&bytes, number);
  append_value(&bytes, uint32_t{0});
  append_value(&bytes, crc32c(bytes));
  return bytes;
}

LogFiles::LogFiles(std::string folder, int file_bits, Log& log)
    : folder_(std::move(folder)), file_bits_(file_bits), log_(log), table_(kTableSlots) {}
LogFiles::~LogFiles() = default;

std::string LogFiles::path(uint64_t file) const {
  return join_path(folder_, "log." + std::to_string(file));
}

Status LogFiles::at(uint64_t place, const Status& why) const {
  return {why.code(),
          why.message() + ": file " + path(file_of(place)) + ", offset " +
              std::to_string(offset_of(place))};
}

Result<LogFiles::Segment*> LogFiles::segment(uint64_t file) {
  Segment* const known = known_segment(file);
  return known != nullptr ? Result<Segment*>(known) : map(file);
}

Result<LogFiles::Segment*> LogFiles::map(uint64_t file) {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(file);
  if (found != segments_.end()) {
    return found->second.get();
  }
  auto segment = std::make_unique<Segment>();
  segment->number = file;
  ASSAY_ASSIGN_OR_RETURN(const uint64_t bytes, file_bytes(path(file)));
  if (bytes < kLogHeaderBytes) {
    return Status(Code::kCorrupt,
                  "the log was cut: file " + path(file) + ", offset " + std::to_string(bytes));
  }
  segment->bytes = std::min(bytes, file_size());
  ASSAY_ASSIGN_OR_RETURN(segment->file, MappedFile::open(path(file), file_size(), false));
  segment->data = segment->file->data();
  const std::string_view header(segment->data, kLogHeaderBytes);
  if (header != encode_log_header(file, file_bits_)) {
    constexpr std::size_t kSummed = kLogHeaderBytes - sizeof(uint32_t);
    if (value_at<uint32_t>(header, kSummed) == crc32c(header.substr(0, kSummed))) {
      return Status(
          Code::kCorrupt,
          "a log file is another one, or of a newer program: file " + path(file) + ", offset 0");
    }
    log_.warn("online_log_header_damaged", {{"file", path(file)}});
  }
  Segment* const mapped = segment.get();
  segments_.emplace(file, std::move(segment));
  table_[file % kTableSlots].store(mapped, std::memory_order_release);
  return mapped;
}

Result<LogRecord> LogFiles::record(uint64_t place) {
  ASSAY_ASSIGN_OR_RETURN(Segment* const segment, this->segment(file_of(place)));
  const uint64_t offset = offset_of(place);
  const char* const begin = segment->data + offset;
  for (bool looked = false;; looked = true) {
    const uint64_t bytes = segment->bytes.load(std::memory_order_acquire);
    if (offset + kRecordHeaderBytes <= bytes) {
      uint32_t size = 0;
      std::memcpy(&size, begin + sizeof(uint32_t), sizeof(size));
      const uint64_t whole =
          record_bytes(0, size < kRecordHeaderBytes ? 0 : size - kRecordHeaderBytes);
      if (looked || offset + whole <= bytes) {
        Result<LogRecord> found = decode_record(place, {begin, bytes - offset});
        return found.ok() ? found : at(place, found.status());
      }
    }
    if (looked) {
      return at(place, Status(Code::kCorrupt, "the log ends before its record does"));
    }
    ASSAY_ASSIGN_OR_RETURN(const uint64_t now, file_bytes(path(segment->number)));
    segment->bytes.store(std::min(now, file_size()), std::memory_order_release);
  }
}

Result<std::string_view> LogFiles::rest(uint64_t place) {
  ASSAY_ASSIGN_OR_RETURN(Segment* const segment, this->segment(file_of(place)));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t now, file_bytes(path(segment->number)));
  const uint64_t bytes = std::min(now, file_size());
  segment->bytes.store(bytes, std::memory_order_release);
  const uint64_t offset = offset_of(place);
  return offset >= bytes ? std::string_view()
                         : std::string_view(segment->data + offset, bytes - offset);
}

std::vector<std::unique_ptr<LogFiles::Segment>> LogFiles::forget_below(uint64_t file) {
  const std::lock_guard lock(mutex_);
  std::vector<std::unique_ptr<Segment>> forgotten;
  while (!segments_.empty() && segments_.begin()->first < file) {
    std::atomic<Segment*>& entry = table_[segments_.begin()->first % kTableSlots];
    if (entry.load(std::memory_order_relaxed) == segments_.begin()->second.get()) {
      entry.store(nullptr, std::memory_order_release);
    }
    forgotten.push_back(std::move(segments_.begin()->second));
    segments_.erase(segments_.begin());
  }
  return forgotten;
}

}  // namespace assay::online
