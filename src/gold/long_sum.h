#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "gold/row_bytes.h"

namespace assay::gold {

/// A long integer to which short ones are added anywhere: what exact sums are held in.
///
/// Two's complement in limbs [begin, end) of 64 bits: below it is zero, above it is the sign. Only
/// the limbs between the lowest and the highest bit seen are held and touched. Adding, subtracting
/// and merging are exact, so any order and grouping gives the same number.
///
///   bytes   varint(2 * length + mark), then if length > 0 varint(offset) and `length` bytes of the
///           number from byte `offset` on, without zero bytes at the low end and without needless
///           sign bytes at the high end. Equal numbers have equal bytes.
///
/// Threads one thread at a time.
template <int kLimbs>
class LongSum {
 public:
  static constexpr int kLimbsMax = kLimbs;

  LongSum() {}  // NOLINT(modernize-use-equals-default): not even `{}` is to clear the limbs
  LongSum(const LongSum& other) { *this = other; }
  LongSum& operator=(const LongSum& other) {
    begin_ = other.begin_;
    end_ = other.end_;
    if (begin_ != end_ && this != &other) {
      std::copy(&other.limbs_[at(begin_)], other.limbs_.data() + end_, &limbs_[at(begin_)]);
    }
    return *this;
  }

  void clear() {
    begin_ = 0;
    end_ = 0;
  }
  [[nodiscard]] int begin() const { return begin_; }
  [[nodiscard]] int end() const { return end_; }
  [[nodiscard]] uint64_t limb(int index) const { return limbs_[at(index)]; }
  [[nodiscard]] bool is_negative() const {
    return begin_ != end_ && (limbs_[at(end_ - 1)] >> 63) != 0;
  }

  /// Add or subtract the number whose limbs are `words`, lowest first, standing at limb `place`.
  template <int kWords>
  void add(int place, const std::array<uint64_t, kWords>& words, bool subtract) {
    if (place < begin_ || place + kWords > end_) {
      cover(place, place + kWords);
    }
    const bool was_negative = is_negative();
    uint64_t* next = &limbs_[at(place)];
    uint64_t* const end = limbs_.data() + end_;
    bool carry = false;
    if (!subtract) {
      for (int i = 0; i < kWords; ++i, ++next) {
        uint64_t word = words[at(i)];
        const bool first = __builtin_add_overflow(word, carry ? uint64_t{1} : uint64_t{0}, &word);
        carry = __builtin_add_overflow(*next, word, next) || first;
      }
      for (; carry && next != end; ++next) {
        carry = ++*next == 0;
      }
      if (!was_negative && is_negative()) {
        push(0);
      }
    } else {
      for (int i = 0; i < kWords; ++i, ++next) {
        uint64_t word = words[at(i)];
        const bool first = __builtin_add_overflow(word, carry ? uint64_t{1} : uint64_t{0}, &word);
        carry = __builtin_sub_overflow(*next, word, next) || first;
      }
      for (; carry && next != end; ++next) {
        carry = (*next)-- == 0;
      }
      if (was_negative && !is_negative()) {
        push(~uint64_t{0});
      }
    }
  }

  /// Add a number that stands at byte `offset` and ends within kLimbs - 2 limbs.
  void add_at_byte(uint64_t offset, int64_t number) {
    const auto shift = static_cast<int>(offset % sizeof(uint64_t)) * 8;
    const uint64_t magnitude =
        number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
    add<2>(static_cast<int>(offset / sizeof(uint64_t)),
           {magnitude << shift, shift == 0 ? 0 : magnitude >> (64 - shift)},
           number < 0);
  }
  void merge(const LongSum& other) { combine(other, false); }
  /// Take out what `other` holds.
  void unmerge(const LongSum& other) { combine(other, true); }

  void encode(std::string* out, bool mark) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(limbs_.data());
    std::size_t first = at(begin_) * sizeof(uint64_t);
    std::size_t end = at(end_) * sizeof(uint64_t);
    const uint8_t sign = is_negative() ? 0xff : 0;
    while (end > first && bytes[end - 1] == sign &&
           (end - 1 == first ? sign == 0 : (bytes[end - 2] >> 7) == (sign >> 7))) {
      --end;
    }
    while (first < end && bytes[first] == 0) {
      ++first;
    }
    append_varint(out, (end - first) * 2 + (mark ? 1 : 0));
    if (first < end) {
      append_varint(out, first);
      out->append(reinterpret_cast<const char*>(bytes) + first, end - first);
    }
  }

  /// Read what encode() wrote and its mark; the reader fails on anything else.
  static LongSum decode(RowReader* reader, bool* mark) {
    const uint64_t header = reader->varint();
    *mark = (header & 1) != 0;
    return decode_number(reader, header >> 1);
  }
  /// Merge what comes next, read and marked as decode() does.
  void merge_encoded(RowReader* reader, bool* mark) {
    const uint64_t header = reader->varint();
    const uint64_t length = header >> 1;
    *mark = (header & 1) != 0;
    if (length > sizeof(uint64_t)) {
      merge(decode_number(reader, length));
    } else if (length > 0) {  // as nearly all are
      const uint64_t offset = reader->varint();
      const int64_t number = reader->signed_bytes(length);
      if (reader->failed() || offset > kBytesMax || offset + length > kBytesMax) {
        reader->fail();
      } else {
        add_at_byte(offset, number);
      }
    }
  }

 private:
  static constexpr uint64_t kBytesMax = (kLimbs - 2) * sizeof(uint64_t);

  static LongSum decode_number(RowReader* reader, uint64_t length) {
    LongSum sum;
    if (length == 0) {
      return sum;
    }
    const uint64_t offset = reader->varint();
    const std::string_view bytes = reader->take(length);
    if (reader->failed() || length > kBytesMax || offset > kBytesMax ||
        offset + length > kBytesMax) {
      reader->fail();
      return sum;
    }
    sum.begin_ = static_cast<int>(offset / sizeof(uint64_t));
    sum.end_ = static_cast<int>((offset + length + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    sum.limbs_[at(sum.begin_)] = 0;
    const bool negative = (static_cast<uint8_t>(bytes.back()) >> 7) != 0;
    auto* target = reinterpret_cast<uint8_t*>(sum.limbs_.data());
    std::copy(bytes.begin(), bytes.end(), target + offset);
    std::fill(target + offset + length,
              target + at(sum.end_) * sizeof(uint64_t),
              negative ? uint8_t{0xff} : uint8_t{0});
    return sum;
  }

  static constexpr std::size_t at(int index) { return static_cast<std::size_t>(index); }

  void push(uint64_t limb) {
    ASSAY_CHECK(end_ < kLimbs);
    limbs_[at(end_)] = limb;
    ++end_;
  }

  void cover(int begin, int end) {
    if (begin_ == end_) {
      begin_ = begin;
      end_ = begin;
    }
    while (begin_ > begin) {
      --begin_;
      limbs_[at(begin_)] = 0;
    }
    const uint64_t sign = is_negative() ? ~uint64_t{0} : 0;
    while (end_ < end) {
      push(sign);
    }
  }

  [[nodiscard]] uint64_t limb_or_sign(int index) const {
    if (index < begin_) {
      return 0;
    }
    if (index < end_) {
      return limbs_[at(index)];
    }
    return is_negative() ? ~uint64_t{0} : 0;
  }

  void combine(const LongSum& other, bool subtract) {
    if (&other == this) {
      combine(LongSum(other), subtract);
      return;
    }
    if (other.begin_ == other.end_) {
      return;
    }
    cover(other.begin_, other.end_);
    const bool was_negative = is_negative();
    const bool other_negative = other.is_negative() != subtract;
    bool carry = subtract;  // minus a number is plus its complement plus one
    for (int i = other.begin_; i < end_; ++i) {
      const uint64_t word = subtract ? ~other.limb_or_sign(i) : other.limb_or_sign(i);
      uint64_t sum = 0;
      const bool first = __builtin_add_overflow(limbs_[at(i)], word, &sum);
      const bool second = __builtin_add_overflow(sum, carry ? uint64_t{1} : uint64_t{0}, &sum);
      limbs_[at(i)] = sum;
      carry = first || second;
    }
    if (was_negative == other_negative && is_negative() != was_negative) {
      push(was_negative ? ~uint64_t{0} : 0);
    }
  }

  int begin_ = 0;
  int end_ = 0;
  std::array<uint64_t, kLimbs> limbs_;
};

}  // namespace assay::gold
