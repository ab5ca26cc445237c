// A file is a row of entries:
//
//   | bytes of the payload (4) | hash of the payload, seeded with the entry's number (8) | payload
//   |
//
// and a payload is int64s: received (microseconds), records, then pairs: ordinal and end of each
// part, -2 and a schema that the registry did not have; of an epoch's first read -3 and the line's
// clock, then for each part -4 and its ordinal, -5 and the time of that clock up to which it was
// read. Versions before had -1 and a time by which an epoch was judged.
// Numbers are little-endian. Reading stops at the first entry that is not whole.

#include "flow/read_journal.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>

#include "base/hash.h"

namespace assay::flow {
namespace {

constexpr std::size_t kHeaderBytes = sizeof(uint32_t) + sizeof(uint64_t);
constexpr std::size_t kNumbersMin = 2;
constexpr int64_t kJudgedBy = -1;  // not written any more
constexpr int64_t kUnknownSchema = -2;
constexpr int64_t kLineClock = -3;
constexpr int64_t kPart = -4;
constexpr int64_t kReadTo = -5;
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

/// What the names of a table's files begin with.
std::string prefix_of(const std::string& table_key) {
  std::string prefix = table_key + ".";
  std::replace(prefix.begin(), prefix.end(), '/', '.');
  return prefix;
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
  if (read.before.has_value()) {
    append_value(&payload, kLineClock);
    append_value(&payload, read.before->line_clock.micros);
    for (const auto& [ordinal, read_to] : read.before->read_to) {
      append_value(&payload, kPart);
      append_value(&payload, ordinal);
      append_value(&payload, kReadTo);
      append_value(&payload, read_to.micros);
    }
  }
  for (const int32_t schema : read.unknown_schemas) {
    append_value(&payload, kUnknownSchema);
    append_value(&payload, int64_t{schema});
  }
  append_value(bytes, static_cast<uint32_t>(payload.size()));
  append_value(bytes, checksum(payload, index));
  bytes->append(payload);
}

namespace {

/// Take the entry with this number off the front of `bytes`; nothing when it is not whole.
std::optional<JournaledRead> take_entry(std::string_view* bytes, int64_t index) {
  if (bytes->size() < kHeaderBytes) {
    return std::nullopt;
  }
  const auto size = static_cast<std::size_t>(value_at<uint32_t>(*bytes, 0));
  const auto hash = value_at<uint64_t>(*bytes, sizeof(uint32_t));
  const std::size_t numbers = size / sizeof(int64_t);
  if (size > bytes->size() - kHeaderBytes || size % sizeof(int64_t) != 0 || numbers < kNumbersMin ||
      numbers % 2 != 0) {
    return std::nullopt;
  }
  const std::string_view payload = bytes->substr(kHeaderBytes, size);
  if (hash != checksum(payload, index)) {
    return std::nullopt;
  }
  JournaledRead read;
  read.received = {value_at<int64_t>(payload, 0)};
  read.records = value_at<int64_t>(payload, sizeof(int64_t));
  int64_t part = 0;
  for (std::size_t i = kNumbersMin; i < numbers; i += 2) {
    const auto what = value_at<int64_t>(payload, i * sizeof(int64_t));
    const auto value = value_at<int64_t>(payload, (i + 1) * sizeof(int64_t));
    if (what == kLineClock) {
      read.before = silver::PartFacts{{value}, {}};
    } else if (what == kPart) {
      part = value;
    } else if (what == kReadTo && read.before.has_value()) {
      read.before->read_to[part] = {value};
    } else if (what == kUnknownSchema) {
      read.unknown_schemas.push_back(static_cast<int32_t>(value));
    } else if (what >= 0) {
      read.part_end[what] = value;
    } else if (what != kJudgedBy) {
      return std::nullopt;
    }
  }
  bytes->remove_prefix(kHeaderBytes + size);
  return read;
}

/// Whether the entry with this number begins anywhere in `bytes`.
bool holds_entry(std::string_view bytes, int64_t index) {
  for (; bytes.size() >= kHeaderBytes; bytes.remove_prefix(1)) {
    std::string_view rest = bytes;
    if (take_entry(&rest, index).has_value()) {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<std::vector<JournaledRead>> parse_reads(std::string_view bytes) {
  std::vector<JournaledRead> reads;
  while (std::optional<JournaledRead> read =
             take_entry(&bytes, static_cast<int64_t>(reads.size()))) {
    reads.push_back(*std::move(read));
  }
  const auto next = static_cast<int64_t>(reads.size());
  if (holds_entry(bytes, next + 1)) {
    return Status(Code::kCorrupt,
                  "entry " + std::to_string(next) + " is damaged, and others lie behind it");
  }
  return reads;
}

ReadJournal::ReadJournal(World& world,
                         const std::string& project_folder,
                         const std::string& table_key)
    : world_(world),
      folder_(join_path(project_folder, ".assay/reads")),
      prefix_(prefix_of(table_key)) {}

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
  Result<std::vector<JournaledRead>> reads = parse_reads(*bytes);
  return reads.ok() ? std::move(reads) : reads.status().with_context(path_of(epoch));
}

Result<std::vector<ReadJournal::Journal>> ReadJournal::journals() {
  std::vector<Journal> found;
  const Result<std::vector<FileInfo>> files = world_.files.list(folder_);
  if (files.code() == Code::kNotFound) {
    return found;
  }
  ASSAY_RETURN_IF_ERROR(files.status());
  for (const FileInfo& file : *files) {
    std::string name = file_name(file.path);
    if (!name.ends_with(kSuffix)) {
      continue;
    }
    name.resize(name.size() - (sizeof(kSuffix) - 1));
    const std::size_t begin = name.rfind('.') + 1;
    int64_t epoch = 0;
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + begin, end, epoch);
    if (error == std::errc() && rest == end) {
      found.push_back({file.path, name.substr(0, begin), epoch});
    }
  }
  return found;
}

Status ReadJournal::remove_up_to(int64_t epoch) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Journal> found, journals());
  for (const Journal& journal : found) {
    if (journal.prefix == prefix_ && journal.epoch <= epoch) {
      ASSAY_RETURN_IF_ERROR(world_.files.remove(journal.path));
    }
  }
  return {};
}

Result<bool> ReadJournal::has_file() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Journal> found, journals());
  return std::any_of(found.begin(), found.end(), [&](const Journal& journal) {
    return journal.prefix == prefix_;
  });
}

Result<bool> ReadJournal::has_any(World& world, const std::string& project_folder) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Journal> found,
                         ReadJournal(world, project_folder, "").journals());
  return !found.empty();
}

Status ReadJournal::remove_others(const std::vector<std::string>& table_keys) {
  std::set<std::string> prefixes;
  for (const std::string& key : table_keys) {
    prefixes.insert(prefix_of(key));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Journal> found, journals());
  for (const Journal& journal : found) {
    if (!prefixes.contains(journal.prefix)) {
      ASSAY_RETURN_IF_ERROR(world_.files.remove(journal.path));
    }
  }
  return {};
}

}  // namespace assay::flow
