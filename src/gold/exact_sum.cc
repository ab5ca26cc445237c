// A double is an integer times 2^-1074, so a sum of doubles is one long integer:
//
//   limb        0          1                 17                 34
//          |....64....|....64....|  ...  |....64....|  ...  |....64....|
//   bit 0 = 2^-1074                 bit 1074 = 2^0      bit 2098 = 2^1024
//
// Only the limbs between the lowest and the highest bit seen are held (two's complement): sums of
// prices or delays use two or three. One add touches two limbs and the carries behind them. Bytes:
// varint(2 * length + specials), then if length > 0 varint(offset) and `length` bytes of the two's
// complement number from byte `offset` on, without zero bytes at the low end and without needless
// sign bytes at the high end; then if specials == 1 three varints: NaNs, +infinities, -infinities.

#include "gold/exact_sum.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"

namespace assay::gold {
namespace {

constexpr uint64_t kMantissaMask = (uint64_t{1} << 52) - 1;
constexpr int kExponentSpecial = 0x7ff;

int64_t wrapping_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

}  // namespace

ExactSum::ExactSum(const ExactSum& other) {
  *this = other;
}

ExactSum& ExactSum::operator=(const ExactSum& other) {
  begin_ = other.begin_;
  end_ = other.end_;
  nans_ = other.nans_;
  positive_infinities_ = other.positive_infinities_;
  negative_infinities_ = other.negative_infinities_;
  if (begin_ != end_ && this != &other) {
    std::copy(&other.limbs_[at(begin_)], other.limbs_.data() + end_, &limbs_[at(begin_)]);
  }
  return *this;
}

void ExactSum::clear() {
  begin_ = 0;
  end_ = 0;
  nans_ = 0;
  positive_infinities_ = 0;
  negative_infinities_ = 0;
}

void ExactSum::push(uint64_t limb) {
  ASSAY_CHECK(end_ < kLimbs);
  limbs_[at(end_)] = limb;
  ++end_;
}

void ExactSum::cover(int begin, int end) {
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

void ExactSum::count_special(double value, bool negate) {
  const int64_t step = negate ? -1 : 1;
  if (value != value) {
    nans_ = wrapping_add(nans_, step);
  } else if (value > 0) {
    positive_infinities_ = wrapping_add(positive_infinities_, step);
  } else {
    negative_infinities_ = wrapping_add(negative_infinities_, step);
  }
}

void ExactSum::add_signed(double value, bool negate) {
  const auto bits = std::bit_cast<uint64_t>(value);
  int exponent = static_cast<int>((bits >> 52) & kExponentSpecial);
  uint64_t mantissa = bits & kMantissaMask;
  if (exponent == kExponentSpecial) {
    count_special(value, negate);
    return;
  }
  if (exponent == 0) {
    exponent = 1;
  } else {
    mantissa |= kMantissaMask + 1;
  }
  if (mantissa == 0) {
    return;
  }
  const int limb = (exponent - 1) >> 6;
  const int shift = (exponent - 1) & 63;
  const uint64_t low = mantissa << shift;
  uint64_t high = shift == 0 ? 0 : mantissa >> (64 - shift);
  if (limb < begin_ || limb + 2 > end_) {
    cover(limb, limb + 2);
  }
  const bool was_negative = is_negative();
  uint64_t* next = &limbs_[at(limb)];
  uint64_t* const end = limbs_.data() + end_;
  if (((bits >> 63) != 0) == negate) {
    high += __builtin_add_overflow(next[0], low, &next[0]) ? 1 : 0;
    bool carry = __builtin_add_overflow(next[1], high, &next[1]);
    for (next += 2; carry && next != end; ++next) {
      carry = ++*next == 0;
    }
    if (!was_negative && is_negative()) {
      push(0);
    }
  } else {
    high += __builtin_sub_overflow(next[0], low, &next[0]) ? 1 : 0;
    bool borrow = __builtin_sub_overflow(next[1], high, &next[1]);
    for (next += 2; borrow && next != end; ++next) {
      borrow = (*next)-- == 0;
    }
    if (was_negative && !is_negative()) {
      push(~uint64_t{0});
    }
  }
}

uint64_t ExactSum::limb_or_sign(int index) const {
  if (index < begin_) {
    return 0;
  }
  if (index < end_) {
    return limbs_[at(index)];
  }
  return is_negative() ? ~uint64_t{0} : 0;
}

void ExactSum::merge(const ExactSum& other) {
  nans_ = wrapping_add(nans_, other.nans_);
  positive_infinities_ = wrapping_add(positive_infinities_, other.positive_infinities_);
  negative_infinities_ = wrapping_add(negative_infinities_, other.negative_infinities_);
  if (other.begin_ == other.end_) {
    return;
  }
  cover(other.begin_, other.end_);
  const bool was_negative = is_negative();
  const bool other_negative = other.is_negative();
  bool carry = false;
  for (int i = other.begin_; i < end_; ++i) {
    uint64_t sum = 0;
    const bool first = __builtin_add_overflow(limbs_[at(i)], other.limb_or_sign(i), &sum);
    const bool second = __builtin_add_overflow(sum, carry ? uint64_t{1} : uint64_t{0}, &sum);
    limbs_[at(i)] = sum;
    carry = first || second;
  }
  if (was_negative == other_negative && is_negative() != was_negative) {
    push(was_negative ? ~uint64_t{0} : 0);
  }
}

void ExactSum::unmerge(const ExactSum& other) {
  if (&other == this) {
    clear();
    return;
  }
  nans_ = wrapping_add(nans_, -other.nans_);
  positive_infinities_ = wrapping_add(positive_infinities_, -other.positive_infinities_);
  negative_infinities_ = wrapping_add(negative_infinities_, -other.negative_infinities_);
  if (other.begin_ == other.end_) {
    return;
  }
  cover(other.begin_, other.end_);
  const bool was_negative = is_negative();
  const bool other_negative = other.is_negative();
  bool borrow = false;
  for (int i = other.begin_; i < end_; ++i) {
    uint64_t rest = 0;
    const bool first = __builtin_sub_overflow(limbs_[at(i)], other.limb_or_sign(i), &rest);
    const bool second = __builtin_sub_overflow(rest, borrow ? uint64_t{1} : uint64_t{0}, &rest);
    limbs_[at(i)] = rest;
    borrow = first || second;
  }
  if (was_negative != other_negative && is_negative() != was_negative) {
    push(was_negative ? ~uint64_t{0} : 0);
  }
}

double ExactSum::round() const {
  if (nans_ != 0 || (positive_infinities_ != 0 && negative_infinities_ != 0)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (positive_infinities_ != 0 || negative_infinities_ != 0) {
    return positive_infinities_ != 0 ? std::numeric_limits<double>::infinity()
                                     : -std::numeric_limits<double>::infinity();
  }
  // The magnitude, one limb at a time from the low end: ~limb + 1 for negative sums.
  std::array<uint64_t, kLimbs> magnitude;
  const bool negative = is_negative();
  bool carry = negative;
  int top_limb = -1;
  int lowest_limb = -1;
  for (int i = begin_; i < end_; ++i) {
    uint64_t limb = limbs_[at(i)];
    if (negative) {
      limb = ~limb + (carry ? 1 : 0);
      carry = carry && limb == 0;
    }
    magnitude[at(i)] = limb;
    if (limb != 0) {
      top_limb = i;
      lowest_limb = lowest_limb < 0 ? i : lowest_limb;
    }
  }
  if (top_limb < 0) {
    return 0.0;
  }
  const uint64_t sign = negative ? uint64_t{1} << 63 : 0;
  const int high_bit = 63 - std::countl_zero(magnitude[at(top_limb)]);
  const int position = top_limb * 64 + high_bit;
  if (position <= 52) {
    return std::bit_cast<double>(sign |
                                 magnitude[at(top_limb)]);  // exact: subnormal or smallest normal
  }
  // Bits [position - 52, position] with the bit below them, then whatever is lower as one sticky
  // bit.
  const int first_bit = position - 53;
  const int limb = first_bit >> 6;
  const int shift = first_bit & 63;
  const uint64_t low = limb >= begin_ ? magnitude[at(limb)] : 0;
  uint64_t bits = low >> shift;
  if (shift != 0 && limb + 1 <= top_limb && limb + 1 >= begin_) {
    bits |= magnitude[at(limb + 1)] << (64 - shift);
  }
  bits &= (uint64_t{1} << 54) - 1;
  const bool sticky = lowest_limb < limb || (low & ((uint64_t{1} << shift) - 1)) != 0;
  const bool half = (bits & 1) != 0;
  bits >>= 1;
  if (half && (sticky || (bits & 1) != 0)) {
    ++bits;
  }
  // A carry to 2^53 adds one to the exponent field by itself.
  const uint64_t result = (static_cast<uint64_t>(position - 52) << 52) + bits;
  const uint64_t infinity = uint64_t{kExponentSpecial} << 52;
  return std::bit_cast<double>(sign | std::min(result, infinity));
}

void ExactSum::encode(std::string* out) const {
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
  const bool specials = nans_ != 0 || positive_infinities_ != 0 || negative_infinities_ != 0;
  append_varint(out, (end - first) * 2 + (specials ? 1 : 0));
  if (first < end) {
    append_varint(out, first);
    out->append(reinterpret_cast<const char*>(bytes) + first, end - first);
  }
  if (specials) {
    append_varint(out, static_cast<uint64_t>(nans_));
    append_varint(out, static_cast<uint64_t>(positive_infinities_));
    append_varint(out, static_cast<uint64_t>(negative_infinities_));
  }
}

ExactSum ExactSum::decode(RowReader* reader) {
  ExactSum sum;
  const uint64_t header = reader->varint();
  const uint64_t length = header >> 1;
  if (length != 0) {
    const uint64_t offset = reader->varint();
    const std::string_view bytes = reader->take(length);
    if (reader->failed() || length > kBytesMax || offset > kBytesMax ||
        offset + length > kBytesMax) {
      reader->fail();
      return {};
    }
    sum.begin_ = static_cast<int>(offset / sizeof(uint64_t));
    sum.end_ = static_cast<int>((offset + length + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    sum.limbs_[at(sum.begin_)] = 0;
    const bool negative = (static_cast<uint8_t>(bytes.back()) >> 7) != 0;
    sum.limbs_[sum.top()] = negative && sum.begin_ != sum.end_ - 1 ? ~uint64_t{0} : 0;
    auto* target = reinterpret_cast<uint8_t*>(sum.limbs_.data());
    std::copy(bytes.begin(), bytes.end(), target + offset);
    std::fill(target + offset + length,
              target + at(sum.end_) * sizeof(uint64_t),
              negative ? uint8_t{0xff} : uint8_t{0});
  }
  if ((header & 1) != 0) {
    sum.nans_ = static_cast<int64_t>(reader->varint());
    sum.positive_infinities_ = static_cast<int64_t>(reader->varint());
    sum.negative_infinities_ = static_cast<int64_t>(reader->varint());
  }
  return sum;
}

bool ExactSum::operator==(const ExactSum& other) const {
  std::string mine;
  std::string theirs;
  encode(&mine);
  other.encode(&theirs);
  return mine == theirs;
}

}  // namespace assay::gold
