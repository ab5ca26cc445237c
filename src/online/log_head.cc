#include "online/log_head.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "online/crc32c.h"
#include "online/sealed_word.h"
#include "online/word_bytes.h"

namespace assay::online {
namespace {

constexpr std::string_view kMagic = "ASSAYHLS";
constexpr uint32_t kVersion = 1;
constexpr std::size_t kHeadBytes = 128;
constexpr std::size_t kWordsBegin = 64;
constexpr std::size_t kSummedBytes = 24;

std::size_t offset_of(HeadWord word) {
  return kWordsBegin + sizeof(uint64_t) * static_cast<std::size_t>(word);
}

Status damaged(const std::string& path, std::size_t offset) {
  return {Code::kCorrupt,
          "the head of the online store is damaged; without it and the index they are made anew "
          "from the log: file " +
              path + ", offset " + std::to_string(offset)};
}

}  // namespace

Result<std::unique_ptr<LogHead>> LogHead::open(const std::string& path, bool writable) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file, MappedFile::open(path, 0, writable));
  const std::string_view bytes(file->data(), file->bytes());
  if (bytes.size() != kHeadBytes) {
    return damaged(path, std::min(bytes.size(), kHeadBytes));
  }
  const std::string_view zeroes = bytes.substr(kSummedBytes + 4, kWordsBegin - kSummedBytes - 4);
  if (bytes.substr(0, kMagic.size()) != kMagic || value_at<uint32_t>(bytes, 8) != kVersion ||
      value_at<uint32_t>(bytes, kSummedBytes) != crc32c(bytes.substr(0, kSummedBytes)) ||
      zeroes.find_first_not_of('\0') != std::string_view::npos) {
    return damaged(path, 0);
  }
  const auto file_bits = static_cast<int>(value_at<uint32_t>(bytes, 12));
  if (file_bits < kFileBitsMin || file_bits > kFileBitsMax) {
    return damaged(path, 12);
  }
  return std::unique_ptr<LogHead>(new LogHead(std::move(file), path, file_bits));
}

Result<std::unique_ptr<LogHead>> LogHead::create(const std::string& path, int file_bits) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                         MappedFile::create(path + ".new", kHeadBytes));
  char* const data = file->data();
  std::memcpy(data, kMagic.data(), kMagic.size());
  put_value(data, 8, kVersion);
  put_value(data, 12, static_cast<uint32_t>(file_bits));
  put_value(data, 16, file->incarnation());
  put_value(data, kSummedBytes, crc32c({data, kSummedBytes}));
  std::unique_ptr<LogHead> head(new LogHead(std::move(file), path, file_bits));
  for (int word = 0; word <= static_cast<int>(HeadWord::kLive); ++word) {
    head->store(static_cast<HeadWord>(word), 0);
  }
  return head;
}

Status LogHead::publish() {
  ASSAY_RETURN_IF_ERROR(file_->sync());
  return rename_file(path_ + ".new", path_);
}

bool LogHead::current() const {
  return value_at<uint64_t>({file_->data(), file_->bytes()}, 16) == file_->incarnation();
}

uint64_t* LogHead::word(HeadWord word) const {
  return reinterpret_cast<uint64_t*>(file_->data() + offset_of(word));
}

uint64_t LogHead::load_raw(HeadWord which) const {
  return load_word(word(which));
}

Result<uint64_t> LogHead::load(HeadWord which) const {
  const std::optional<uint64_t> number = unseal_number(load_raw(which), offset_of(which));
  if (!number.has_value()) {
    return damaged(path_, offset_of(which));
  }
  return *number;
}

void LogHead::store(HeadWord which, uint64_t number) {
  store_word(word(which), seal_number(number, offset_of(which)));
}

}  // namespace assay::online
