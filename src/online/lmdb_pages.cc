#include "online/lmdb_pages.h"

#include <cstring>
#include <optional>

#include "online/row_codec.h"

namespace assay::online {
namespace {

// Two pages of LMDB's, less its header and that of a value.
constexpr std::size_t kPageBytesMax = 2 * 4096 - 16 - 8;

}  // namespace

Result<std::string_view> LmdbPages::get(uint64_t number) const {
  key_.assign(prefix_);
  append_page_key(&key_, number);
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string_view> value,
                         reader_.get(LmdbTable::kRows, key_));
  if (!value) {
    return Status(Code::kCorrupt, "a row refers to a page that is not there");
  }
  ASSAY_ASSIGN_OR_RETURN(const StoredRow stored, decode_row(key_, *value));
  return stored.row;
}

Result<LmdbPageWriter> LmdbPageWriter::open(LmdbEnv::Writer& writer, std::string_view prefix) {
  const std::string key = page_counter_key(prefix);
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string_view> value,
                         writer.get(LmdbTable::kRows, key));
  uint64_t next = 0;
  if (value) {
    ASSAY_ASSIGN_OR_RETURN(const StoredRow stored, decode_row(key, *value));
    if (stored.row.size() != sizeof(next)) {
      return Status(Code::kCorrupt, "the number of the next page is damaged");
    }
    std::memcpy(&next, stored.row.data(), sizeof(next));
  }
  return LmdbPageWriter(writer, prefix, next);
}

std::size_t LmdbPageWriter::bytes_max() const {
  return kPageBytesMax;
}

Result<std::string_view> LmdbPageWriter::get(uint64_t number) const {
  return LmdbPages(*writer_, prefix_).get(number);
}

Result<uint64_t> LmdbPageWriter::add(std::string_view bytes) {
  ASSAY_RETURN_IF_ERROR(put(next_, bytes));
  return next_++;
}

Status LmdbPageWriter::put(uint64_t number, std::string_view bytes) {
  std::string key(prefix_);
  append_page_key(&key, number);
  return writer_->put(LmdbTable::kRows, key, encode_row(key, "", bytes));
}

Status LmdbPageWriter::erase(uint64_t number) {
  std::string key(prefix_);
  append_page_key(&key, number);
  return writer_->erase(LmdbTable::kRows, key);
}

Status LmdbPageWriter::finish() {
  if (next_ == first_) {
    return {};
  }
  const std::string key = page_counter_key(prefix_);
  char bytes[sizeof(next_)];
  std::memcpy(bytes, &next_, sizeof(next_));
  return writer_->put(LmdbTable::kRows, key, encode_row(key, "", {bytes, sizeof(bytes)}));
}

}  // namespace assay::online
