#include "online/hash_index.h"

#include <cstring>
#include <string_view>

#include "base/check.h"
#include "online/crc32c.h"
#include "online/sealed_word.h"
#include "online/word_bytes.h"

namespace assay::online {
namespace {

constexpr std::string_view kMagic = "ASSAYIDX";
constexpr uint32_t kVersion = 1;
constexpr int kBitsMin = 2;
constexpr int kBitsMax = 36;

}  // namespace

std::string encode_index_header(const IndexHeader& header) {
  std::string bytes(kMagic);
  append_value(&bytes, kVersion);
  append_value(&bytes, static_cast<uint32_t>(header.bits));
  append_value(&bytes, header.start);
  bytes.resize(kIndexHeaderBytes - sizeof(uint32_t));
  append_value(&bytes, crc32c(bytes));
  return bytes;
}

Result<IndexHeader> decode_index_header(std::string_view bytes) {
  if (bytes.size() < kIndexHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic ||
      value_at<uint32_t>(bytes, kIndexHeaderBytes - 4) !=
          crc32c(bytes.substr(0, kIndexHeaderBytes - 4))) {
    return Status(Code::kCorrupt, "the header is damaged, offset 0");
  }
  IndexHeader header;
  header.bits = static_cast<int>(value_at<uint32_t>(bytes, 12));
  header.start = value_at<uint64_t>(bytes, 16);
  if (value_at<uint32_t>(bytes, 8) != kVersion || header.bits < kBitsMin ||
      header.bits > kBitsMax) {
    return Status(Code::kCorrupt, "the file is of a version that this program does not know");
  }
  return header;
}

Result<std::unique_ptr<HashIndex>> HashIndex::create(const std::string& path, int bits) {
  ASSAY_CHECK(bits >= kBitsMin && bits <= kBitsMax);
  const uint64_t bytes = kIndexHeaderBytes + (kSlotBytes << bits);
  std::string empty;
  append_value(&empty, seal_hash(0));
  append_value(&empty, seal_number(0, 0));
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                         MappedFile::create(path, bytes, encode_index_header({bits, 0}), empty));
  return std::unique_ptr<HashIndex>(new HashIndex(std::move(file), bits));
}

Result<std::unique_ptr<HashIndex>> HashIndex::open(const std::string& path, bool writable) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file, MappedFile::open(path, 0, writable));
  Result<IndexHeader> header = decode_index_header({file->data(), file->bytes()});
  if (header.ok() && file->bytes() != kIndexHeaderBytes + (kSlotBytes << header->bits)) {
    header = Status(Code::kCorrupt, "the file was cut at offset " + std::to_string(file->bytes()));
  }
  if (!header.ok()) {
    return header.status().with_context(path);
  }
  return std::unique_ptr<HashIndex>(new HashIndex(std::move(file), header->bits));
}

Result<std::unique_ptr<HashIndex>> HashIndex::copy(const HashIndex& from,
                                                   const std::string& path,
                                                   uint64_t first_place,
                                                   uint64_t* used) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                         MappedFile::create(path, from.file_->bytes()));
  std::unique_ptr<HashIndex> index(new HashIndex(std::move(file), from.bits_));
  const std::string header = encode_index_header({from.bits_, 0});
  std::memcpy(index->file_->data(), header.data(), header.size());
  *used = 0;
  for (uint64_t number = 0; number < from.slots(); ++number) {
    const std::optional<Entry> held = from.sound_entry(number);
    if (!held.has_value()) {
      return from.damaged(number);
    }
    std::memcpy(index->words(number), from.words(number), kSlotBytes);
    *used += held->hash != 0 ? 1 : 0;
    if (held->place != 0 && held->place < first_place) {
      index->point(number, held->hash, 0);
    }
  }
  return index;
}

Status HashIndex::damaged(uint64_t number) const {
  return {Code::kCorrupt,
          "a slot of the index is damaged (stop all programs that use the store and remove its "
          "`head` and `index.*`: they are made anew): file " +
              file_->path() + ", offset " +
              std::to_string(kIndexHeaderBytes + number * kSlotBytes)};
}

HashIndex::Probe::Probe(const HashIndex& index, uint64_t hash)
    : index_(index), hash_(hash), at_(index.home(hash)), left_(index.slots()) {}

Result<std::optional<HashIndex::Slot>> HashIndex::Probe::next() {
  for (; left_ > 0; --left_) {
    const uint64_t number = at_;
    uint64_t* const words = index_.words(number);
    const std::optional<uint64_t> hash = unseal_hash(load_word(&words[0]));
    if (!hash.has_value()) {
      return index_.damaged(number);
    }
    if (*hash == 0) {
      return std::optional<Slot>();
    }
    at_ = (at_ + 1) & (index_.slots() - 1);
    if (*hash != hash_) {
      continue;
    }
    const uint64_t word = load_word(&words[1]);
    std::optional<uint64_t> place = unseal_number(word, hash_);
    if (!place.has_value() && word == seal_number(0, 0)) {
      place = 0;  // claimed a moment ago, or never pointed anywhere because the writer died then
    }
    if (!place.has_value()) {
      return index_.damaged(number);
    }
    --left_;
    return std::optional<Slot>(Slot{number, *place});
  }
  return std::optional<Slot>();
}

Result<HashIndex::Entry> HashIndex::entry(uint64_t number) const {
  const std::optional<Entry> found = sound_entry(number);
  return found.has_value() ? Result<Entry>(*found) : damaged(number);
}

std::optional<HashIndex::Entry> HashIndex::sound_entry(uint64_t number) const {
  uint64_t* const held = words(number);
  const std::optional<uint64_t> hash = unseal_hash(load_word(&held[0]));
  const uint64_t word = load_word(&held[1]);
  const std::optional<uint64_t> place = !hash.has_value() || word == seal_number(0, 0)
                                            ? std::optional<uint64_t>(0)
                                            : unseal_number(word, *hash);
  return hash.has_value() && place.has_value() ? std::optional(Entry{*hash, *place}) : std::nullopt;
}

void HashIndex::point(uint64_t number, uint64_t hash, uint64_t place) {
  store_word(&words(number)[1], seal_number(place, hash));
}

Status HashIndex::claim(uint64_t hash, uint64_t place) {
  uint64_t at = home(hash);
  for (uint64_t left = slots(); left > 0; --left, at = (at + 1) & (slots() - 1)) {
    const std::optional<uint64_t> held = unseal_hash(load_word(&words(at)[0]));
    if (!held.has_value()) {
      return damaged(at);
    }
    if (*held == 0) {
      store_word(&words(at)[0], seal_hash(hash));
      point(at, hash, place);
      return {};
    }
  }
  return {Code::kInternal, "the index of the online store is full"};
}

Result<bool> HashIndex::set(uint64_t hash, uint64_t previous, uint64_t place) {
  Probe probe(*this, hash);
  std::optional<uint64_t> vacant;  // leads nowhere: anybody's of the same hash
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<Slot> slot, probe.next());
    if (!slot.has_value()) {
      break;
    }
    if (slot->place == place) {
      return false;
    }
    if (slot->place == 0) {
      vacant = vacant.value_or(slot->number);
    } else if (slot->place == previous) {
      point(slot->number, hash, place);
      return false;
    }
  }
  if (vacant.has_value()) {
    point(*vacant, hash, place);
    return false;
  }
  ASSAY_RETURN_IF_ERROR(claim(hash, place));
  return true;
}

Result<uint64_t> HashIndex::leading() const {
  uint64_t count = 0;
  for (uint64_t number = 0; number < slots(); ++number) {
    ASSAY_ASSIGN_OR_RETURN(const Entry held, entry(number));
    count += held.place != 0 ? 1 : 0;
  }
  return count;
}

Result<uint64_t> HashIndex::copy_from(const HashIndex& from) {
  uint64_t copied = 0;
  for (uint64_t number = 0; number < from.slots(); ++number) {
    ASSAY_ASSIGN_OR_RETURN(const Entry held, from.entry(number));
    if (held.hash != 0 && held.place != 0) {
      ASSAY_RETURN_IF_ERROR(claim(held.hash, held.place));
      ++copied;
    }
  }
  return copied;
}

}  // namespace assay::online
