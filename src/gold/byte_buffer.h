#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "gold/row_bytes.h"

namespace assay::gold {

/// Bytes written front to back, in memory that is used again.
///
/// Threads one thread at a time.
class ByteBuffer {
 public:
  void clear() { size_ = 0; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view view() const& { return {bytes_.data(), size_}; }
  std::string_view view() const&& = delete;

  /// Where up to `more` bytes may be written; end_at() says how far they were.
  char* room(std::size_t more) {
    if (bytes_.size() - size_ < more) {
      bytes_.resize(2 * bytes_.size() + more);
    }
    return bytes_.data() + size_;
  }
  void end_at(const char* end) { size_ = static_cast<std::size_t>(end - bytes_.data()); }
  void append(std::string_view bytes) {
    if (!bytes.empty()) {
      std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
      size_ += bytes.size();
    }
  }
  void append_varint(uint64_t value) { end_at(put_varint(room(kVarintBytesMax), value)); }

  /// A text of which the length is known once it is written: end_text() is given what this gave.
  std::size_t begin_text() {
    (void)room(kVarintBytesMax);
    return ++size_;
  }
  void end_text(std::size_t begin) {
    const std::size_t length = size_ - begin;
    if (length < 0x80) {
      bytes_[begin - 1] = static_cast<char>(length);
      return;
    }
    char bytes[kVarintBytesMax];
    const auto more = static_cast<std::size_t>(put_varint(bytes, length) - bytes) - 1;
    (void)room(more);
    std::memmove(bytes_.data() + begin + more, bytes_.data() + begin, length);
    std::memcpy(bytes_.data() + begin - 1, bytes, more + 1);
    size_ += more;
  }

 private:
  std::vector<char> bytes_;
  std::size_t size_ = 0;
};

}  // namespace assay::gold
