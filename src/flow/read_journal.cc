// A file is a row of entries:
//
//   | bytes of the payload (4) | hash of the payload, seeded with the entry's number (8) | payload
//   |
//
// and a payload is int64s: received (microseconds), records, then ordinal and end of each part.
// Numbers are little-endian. Reading stops at the first entry that is not whole.

#include "flow/read_journal.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/hash.h"

namespace assay::flow {
namespace {

constexpr std::size_t kHeaderBytes = sizeof(uint32_t) + sizeof(uint64_t);
constexpr std::size_t kNumbersMin = 2;
constexpr char kSuffix[] = ".reads";

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

uint64_t checksum(std::string_view payload, int64_t index) {
  return hash_bytes(payload, static_cast<uint64_t>(index) + 1);
}

}  // namespace

void append_read(std::string* bytes, int64_t index, const JournaledRead& read) {
  std::string payload;
  append_value(&payload, read.received.micros);
  append_value(&payload, read.records);
  for (const auto& [ordinal, end] : read.part_end) {
    append_value(&payload, ordinal);
    append_value(&payload, end);
  }
  append_value(bytes, static_cast<uint32_t>(payload.size()));
  append_value(bytes, checksum(payload, index));
  bytes->append(payload);
}

std::vector<JournaledRead> parse_reads(std::string_view bytes) {
  std::vector<JournaledRead> reads;
  while (bytes.size() >= kHeaderBytes) {
    const auto size = static_cast<std::size_t>(value_at<uint32_t>(bytes, 0));
    const auto hash = value_at<uint64_t>(bytes, sizeof(uint32_t));
    const std::size_t numbers = size / sizeof(int64_t);
    if (size > bytes.size() - kHeaderBytes || size % sizeof(int64_t) != 0 ||
        numbers < kNumbersMin || numbers % 2 != 0) {
      break;
    }
    const std::string_view payload = bytes.substr(kHeaderBytes, size);
    if (hash != checksum(payload, static_cast<int64_t>(reads.size()))) {
      break;
    }
    JournaledRead read;
    read.received = {value_at<int64_t>(payload, 0)};
    read.records = value_at<int64_t>(payload, sizeof(int64_t));
    for (std::size_t i = kNumbersMin; i < numbers; i += 2) {
      read.part_end[value_at<int64_t>(payload, i * sizeof(int64_t))] =
          value_at<int64_t>(payload, (i + 1) * sizeof(int64_t));
    }
    reads.push_back(std::move(read));
    bytes.remove_prefix(kHeaderBytes + size);
  }
  return reads;
}

ReadJournal::ReadJournal(World& world,
                         const std::string& project_folder,
                         const std::string& table_key)
    : world_(world), folder_(join_path(project_folder, ".assay/reads")), prefix_(table_key + ".") {
  std::replace(prefix_.begin(), prefix_.end(), '/', '.');
}

std::string ReadJournal::path_of(int64_t epoch) const {
  return join_path(folder_, prefix_ + std::to_string(epoch) + kSuffix);
}

Status ReadJournal::add(int64_t epoch, const JournaledRead& read) {
  if (open_epoch_ != epoch) {
    ASSAY_RETURN_IF_ERROR(world_.files.make_directories(folder_));
    ASSAY_ASSIGN_OR_RETURN(file_, AppendFile::create(path_of(epoch)));
    open_epoch_ = epoch;
    next_ = 0;
  }
  std::string bytes;
  append_read(&bytes, next_, read);
  ASSAY_RETURN_IF_ERROR(file_->append(bytes));
  ++next_;
  return {};
}

Result<std::vector<JournaledRead>> ReadJournal::read(int64_t epoch) {
  const Result<std::string> bytes = world_.files.read(path_of(epoch));
  if (bytes.code() == Code::kNotFound) {
    return std::vector<JournaledRead>();
  }
  ASSAY_RETURN_IF_ERROR(bytes.status());
  return parse_reads(*bytes);
}

Status ReadJournal::remove_up_to(int64_t epoch) {
  const Result<std::vector<FileInfo>> files = world_.files.list(folder_);
  if (files.code() == Code::kNotFound) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(files.status());
  for (const FileInfo& file : *files) {
    const std::string name = file_name(file.path);
    int64_t found = 0;
    const std::size_t begin = prefix_.size();
    if (name.rfind(prefix_, 0) != 0 || name.size() <= begin + sizeof(kSuffix) - 1) {
      continue;
    }
    const char* end = name.data() + name.size() - (sizeof(kSuffix) - 1);
    const auto [rest, error] = std::from_chars(name.data() + begin, end, found);
    if (error == std::errc() && rest == end && found <= epoch) {
      ASSAY_RETURN_IF_ERROR(world_.files.remove(file.path));
    }
  }
  return {};
}

}  // namespace assay::flow
