#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace assay::gold {

static_assert(std::endian::native == std::endian::little, "online rows are written little-endian");

/// Append 7 bits a byte, lowest first; the top bit says that more follow.
inline void append_varint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

constexpr std::size_t kVarintBytesMax = 10;
/// Write a varint where there is room for kVarintBytesMax; behind it.
inline char* put_varint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

/// 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
constexpr uint64_t zigzag_of(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
/// Append a signed number as the varint of its zigzag_of().
inline void append_signed(std::string* out, int64_t value) {
  append_varint(out, zigzag_of(value));
}

inline void append_text(std::string* out, std::string_view text) {
  append_varint(out, text.size());
  out->append(text);
}

inline void append_fixed64(std::string* out, uint64_t value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out->append(bytes, sizeof(bytes));
}

/// Reads bytes front to back. A read past the end, or of a number that is too long, gives zero and
/// makes the reader fail for good; whoever reads asks failed() once at the end (and in every loop).
///
/// Threads one thread at a time. The bytes are the caller's.
class RowReader {
 public:
  explicit RowReader(std::string_view bytes)
      : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  uint64_t varint() {
    if (next_ != end_ && static_cast<uint8_t>(*next_) < 0x80) {
      return static_cast<uint8_t>(*next_++);
    }
    return long_varint();
  }
  int64_t signed_varint() {
    const uint64_t value = varint();
    return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }
  uint8_t byte() {
    if (next_ == end_) {
      failed_ = true;
      return 0;
    }
    return static_cast<uint8_t>(*next_++);
  }
  uint64_t fixed64() {
    const std::string_view bytes = take(sizeof(uint64_t));
    uint64_t value = 0;
    if (!failed_) {
      std::memcpy(&value, bytes.data(), sizeof(value));
    }
    return value;
  }
  /// The next `size` bytes; empty when there are fewer.
  std::string_view take(uint64_t size) {
    if (size > remaining()) {
      failed_ = true;
      next_ = end_;
      return {};
    }
    const std::string_view bytes(next_, static_cast<std::size_t>(size));
    next_ += size;
    return bytes;
  }
  std::string_view text() { return take(varint()); }
  /// The next `size` bytes, at most 8, as a number with a sign.
  int64_t signed_bytes(uint64_t size) {
    if (size == 0 || size > sizeof(uint64_t) || size > remaining()) {
      failed_ = true;
      return 0;
    }
    uint64_t value = 0;
    if (remaining() >= sizeof(value)) {
      std::memcpy(&value, next_, sizeof(value));
    } else {
      for (uint64_t i = 0; i < size; ++i) {
        value |= static_cast<uint64_t>(static_cast<uint8_t>(next_[i])) << (8 * i);
      }
    }
    next_ += size;
    const auto unused = static_cast<int>(64 - 8 * size);
    return static_cast<int64_t>(value << unused) >> unused;
  }

  /// Values of 8 bytes, each behind a byte that is not 0, up to one that is not so, and at most
  /// `count`. How many there were.
  std::size_t present_words(uint64_t* words, std::size_t count) {
    constexpr std::size_t kBytes = 1 + sizeof(uint64_t);
    const std::size_t fit = remaining() / kBytes;
    count = count < fit ? count : fit;
    std::size_t read = 0;
    // Four at a time: bytes that have a bit in common are not 0.
    for (; read + 4 <= count &&
           (next_[0] & next_[kBytes] & next_[2 * kBytes] & next_[3 * kBytes]) != 0;
         read += 4, next_ += 4 * kBytes) {
      for (std::size_t i = 0; i < 4; ++i) {
        std::memcpy(words + read + i, next_ + i * kBytes + 1, sizeof(uint64_t));
      }
    }
    for (; read < count && *next_ != 0; ++read, next_ += kBytes) {
      std::memcpy(words + read, next_ + 1, sizeof(uint64_t));
    }
    return read;
  }

  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] uint64_t remaining() const { return static_cast<uint64_t>(end_ - next_); }
  [[nodiscard]] bool at_end() const { return next_ == end_; }

 private:
  uint64_t long_varint() {
    if (remaining() >= sizeof(uint64_t)) {  // at once, when it ends among the next eight bytes
      uint64_t word = 0;
      std::memcpy(&word, next_, sizeof(word));
      const uint64_t ends = ~word & 0x8080808080808080;
      if (ends != 0) {
        next_ += std::countr_zero(ends) / 8 + 1;
        return joined(word & (ends ^ (ends - 1)));
      }
    }
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && next_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*next_++);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    failed_ = true;
    return 0;
  }

  /// Seven bits of each byte, one behind the other.
  static uint64_t joined(uint64_t bytes) {
    bytes = (bytes & 0x7F007F007F007F00) >> 1 | (bytes & 0x007F007F007F007F);
    bytes = (bytes & 0xFFFF0000FFFF0000) >> 2 | (bytes & 0x0000FFFF0000FFFF);
    return (bytes & 0xFFFFFFFF00000000) >> 4 | (bytes & 0x00000000FFFFFFFF);
  }

  const char* next_;
  const char* end_;
  bool failed_ = false;
};

}  // namespace assay::gold
