#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "gold/big_integer.h"
#include "gold/row_bytes.h"

namespace assay::gold {

/// An exact sum of doubles for as long as 128 bits hold it, which are put where the first number
/// needs them: sums of prices or delays stay within. What does not fit is refused and for ExactSum
/// to hold. The bytes are the same.
///
///   byte 0 of the sum in units of 2^-1074           the first number's top
///   |      place_                                   |
///   |......|<----------------- 16 bytes -------------------->|
///                                                   |<- 5 ->|
///
/// Threads one thread at a time.
class SmallSum {
 public:
  static constexpr std::size_t kBytesMax = 1 + 2 + sizeof(Int128);

  void clear() {
    place_ = kNowhere;
    sum_ = 0;
  }
  /// False when the number does not fit: nothing is added then.
  bool add(double value) {
    const auto bits = std::bit_cast<uint64_t>(value);
    auto exponent = static_cast<int>((bits >> 52) & 0x7ff);
    uint64_t mantissa = bits & kMantissaMask;
    if (exponent == 0x7ff) {
      return false;
    }
    if (exponent == 0) {
      exponent = 1;
    } else {
      mantissa |= kMantissaMask + 1;
    }
    if (mantissa == 0) {
      return true;
    }
    const int lowest = exponent - 1;
    if (place_ == kNowhere) {
      place_below((lowest + 53) / 8 + 1);
    }
    const int shift = lowest - 8 * place_;
    Int128 term = static_cast<int64_t>(mantissa);
    if (shift >= 0) {
      if (shift > 127 - 54) {
        return false;
      }
      term <<= shift;
    } else {
      if (shift <= -53 || (mantissa & ((uint64_t{1} << -shift) - 1)) != 0) {
        return false;
      }
      term >>= -shift;
    }
    return take((bits >> 63) != 0 ? -term : term);
  }
  /// False when the sum does not fit: nothing is merged then.
  bool merge(const SmallSum& other) {
    return other.sum_ == 0 || take_at(other.place_, sizeof(Int128), other.sum_);
  }
  /// Merge what encode() wrote, or ExactSum's. False when it does not fit: the reader stands where
  /// it stood then. The reader fails on anything else.
  bool merge_encoded(RowReader* reader) {
    const RowReader before = *reader;
    const uint64_t header = reader->varint();
    const uint64_t length = header >> 1;
    if ((header & 1) != 0 || length > sizeof(Int128)) {
      *reader = before;
      return false;
    }
    if (length == 0) {
      return true;
    }
    const uint64_t offset = reader->varint();
    const Int128 number = read_number(reader, length);
    if (reader->failed() || offset > kEnd || offset + length > kEnd) {
      reader->fail();
      return true;
    }
    if (!take_at(static_cast<int>(offset), static_cast<int>(length), number)) {
      *reader = before;
      return false;
    }
    return true;
  }
  /// The sum, rounded to nearest, ties to even; ExactSum::round() has the details.
  [[nodiscard]] double round() const {
    if (sum_ == 0) {
      return 0.0;
    }
    const bool negative = sum_ < 0;
    const auto magnitude =
        negative ? ~static_cast<Unsigned128>(sum_) + 1 : static_cast<Unsigned128>(sum_);
    const uint64_t sign = negative ? uint64_t{1} << 63 : 0;
    const int high = bits_of(magnitude) - 1;
    const int position = 8 * place_ + high;  // of the highest bit
    if (position <= 52) {                    // exact: subnormal or smallest normal
      return std::bit_cast<double>(sign | static_cast<uint64_t>(magnitude << (8 * place_)));
    }
    uint64_t bits = 0;
    if (high <= 52) {
      bits = static_cast<uint64_t>(magnitude) << (52 - high);
    } else {
      const int shift = high - 53;  // one bit more than a mantissa has
      bits = static_cast<uint64_t>(magnitude >> shift);
      const bool sticky = (magnitude & ((Unsigned128{1} << shift) - 1)) != 0;
      const bool half = (bits & 1) != 0;
      bits >>= 1;
      bits += half && (sticky || (bits & 1) != 0) ? 1 : 0;
    }
    // A carry to 2^53 adds one to the exponent field by itself.
    const uint64_t result = (static_cast<uint64_t>(position - 52) << 52) + bits;
    const uint64_t infinity = uint64_t{0x7ff} << 52;
    return std::bit_cast<double>(sign | std::min(result, infinity));
  }
  /// Write the bytes; the first that was not written. There must be room for kBytesMax.
  char* encode(char* to) const {
    if (sum_ == 0) {
      *to++ = 0;
      return to;
    }
    const auto low = static_cast<uint64_t>(sum_);
    const int zeros =
        low != 0 ? std::countr_zero(low) : 64 + std::countr_zero(static_cast<uint64_t>(sum_ >> 64));
    const Int128 number = sum_ >> (zeros / 8 * 8);
    const int used = bits_of(static_cast<Unsigned128>(number ^ (number >> 127)));
    const int length = used / 8 + 1;  // one bit is the sign
    *to++ = static_cast<char>(2 * length);
    to = put_varint(to, static_cast<uint64_t>(place_ + zeros / 8));
    std::memcpy(to, &number, sizeof(number));
    return to + length;
  }

 private:
  __extension__ typedef unsigned __int128 Unsigned128;
  static constexpr uint64_t kMantissaMask = (uint64_t{1} << 52) - 1;
  static constexpr int kNowhere = -1;
  static constexpr uint64_t kEnd = 34 * sizeof(uint64_t);  // bytes that an encoded sum may have

  /// Take a number of `length` bytes that stands at byte `from`.
  bool take_at(int from, int length, Int128 number) {
    if (place_ == kNowhere) {
      place_below(from + length);
      place_ = std::min(place_, from);
    }
    const int shift = 8 * (from - place_);
    if (shift < 0 || shift > 120) {
      return false;
    }
    const Int128 term = shifted(number, shift);
    return term >> shift == number && take(term);
  }
  void place_below(int top) { place_ = std::max(0, top - 11); }
  bool take(Int128 term) { return !__builtin_add_overflow(sum_, term, &sum_) || give_back(term); }
  bool give_back(Int128 term) {
    (void)__builtin_sub_overflow(sum_, term, &sum_);
    return false;
  }
  /// Bits up to the highest that is set.
  static int bits_of(Unsigned128 number) {
    const auto high = static_cast<uint64_t>(number >> 64);
    return high != 0 ? 128 - std::countl_zero(high)
                     : 64 - std::countl_zero(static_cast<uint64_t>(number));
  }
  static Int128 shifted(Int128 number, int shift) {
    return static_cast<Int128>(static_cast<Unsigned128>(number) << shift);
  }
  static Int128 read_number(RowReader* reader, uint64_t length) {
    if (length <= sizeof(uint64_t)) {
      return reader->signed_bytes(length);
    }
    const std::string_view bytes = reader->take(length);
    Int128 number = 0;
    if (!reader->failed()) {
      std::memcpy(&number, bytes.data(), bytes.size());
      const auto unused = static_cast<int>(8 * (sizeof(number) - bytes.size()));
      number = shifted(number, unused) >> unused;
    }
    return number;
  }

  int place_ = kNowhere;  // byte of the sum that the lowest byte of sum_ is
  Int128 sum_ = 0;
};

}  // namespace assay::gold
