#include "gold/big_integer.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace assay::gold {
namespace {

__extension__ typedef unsigned __int128 Unsigned128;

}  // namespace

BigInteger& BigInteger::operator=(const BigInteger& other) {
  negative_ = other.negative_;
  offset_ = other.offset_;
  size_ = other.size_;
  if (this != &other) {
    std::copy_n(other.limbs_.begin(), size_, limbs_.begin());
  }
  return *this;
}

BigInteger BigInteger::of(Int128 value) {
  BigInteger result;
  result.negative_ = value < 0;
  const Unsigned128 magnitude =
      value < 0 ? ~static_cast<Unsigned128>(value) + 1 : static_cast<Unsigned128>(value);
  result.limbs_[0] = static_cast<uint64_t>(magnitude);
  result.limbs_[1] = static_cast<uint64_t>(magnitude >> 64);
  result.size_ = 2;
  result.trim();
  return result;
}

void BigInteger::trim() {
  while (size_ > 0 && limbs_[at(size_ - 1)] == 0) {
    --size_;
  }
  int zeros = 0;
  while (zeros < size_ && limbs_[at(zeros)] == 0) {
    ++zeros;
  }
  if (zeros > 0) {
    std::copy(limbs_.begin() + zeros, limbs_.begin() + size_, limbs_.begin());
    size_ -= zeros;
    offset_ += zeros;
  }
  if (size_ == 0) {
    negative_ = false;
    offset_ = 0;
  }
}

BigInteger BigInteger::times(const BigInteger& other) const {
  BigInteger result;
  result.negative_ = negative_ != other.negative_;
  result.offset_ = offset_ + other.offset_;
  result.size_ = size_ + other.size_;
  ASSAY_CHECK(result.size_ <= kCapacity);
  std::fill_n(result.limbs_.begin(), result.size_, 0);
  for (int i = 0; i < size_; ++i) {
    uint64_t carry = 0;
    for (int j = 0; j < other.size_; ++j) {
      uint64_t& target = result.limbs_[at(i + j)];
      const Unsigned128 sum =
          static_cast<Unsigned128>(limbs_[at(i)]) * other.limbs_[at(j)] + target + carry;
      target = static_cast<uint64_t>(sum);
      carry = static_cast<uint64_t>(sum >> 64);
    }
    result.limbs_[at(i + other.size_)] = carry;
  }
  result.trim();
  return result;
}

BigInteger BigInteger::plus(const BigInteger& other) const {
  if (other.is_zero()) {
    return *this;
  }
  if (is_zero()) {
    return other;
  }
  if (negative_ == other.negative_) {
    return add_magnitude(other);
  }
  return compare_magnitude(other) >= 0 ? subtract_magnitude(other)
                                       : other.subtract_magnitude(*this);
}

BigInteger BigInteger::minus(const BigInteger& other) const {
  BigInteger negated = other;
  negated.negative_ = !other.negative_ && !other.is_zero();
  return plus(negated);
}

int BigInteger::compare_magnitude(const BigInteger& other) const {
  for (int place = std::max(end(), other.end()) - 1; place >= std::min(offset_, other.offset_);
       --place) {
    const uint64_t mine = limb_at(place);
    const uint64_t theirs = other.limb_at(place);
    if (mine != theirs) {
      return mine < theirs ? -1 : 1;
    }
  }
  return 0;
}

BigInteger BigInteger::add_magnitude(const BigInteger& other) const {
  BigInteger result;
  result.negative_ = negative_;
  result.offset_ = std::min(offset_, other.offset_);
  const int last = std::max(end(), other.end());
  ASSAY_CHECK(last - result.offset_ < kCapacity);
  bool carry = false;
  for (int place = result.offset_; place < last; ++place) {
    uint64_t sum = 0;
    const bool first = __builtin_add_overflow(limb_at(place), other.limb_at(place), &sum);
    const bool second = __builtin_add_overflow(sum, carry ? uint64_t{1} : uint64_t{0}, &sum);
    carry = first || second;
    result.limbs_[at(result.size_++)] = sum;
  }
  result.limbs_[at(result.size_++)] = carry ? 1 : 0;
  result.trim();
  return result;
}

BigInteger BigInteger::subtract_magnitude(const BigInteger& other) const {
  BigInteger result;
  result.negative_ = negative_;
  result.offset_ = std::min(offset_, other.offset_);
  const int last = std::max(end(), other.end());
  ASSAY_CHECK(last - result.offset_ <= kCapacity);
  bool borrow = false;
  for (int place = result.offset_; place < last; ++place) {
    uint64_t rest = 0;
    const bool first = __builtin_sub_overflow(limb_at(place), other.limb_at(place), &rest);
    const bool second = __builtin_sub_overflow(rest, borrow ? uint64_t{1} : uint64_t{0}, &rest);
    borrow = first || second;
    result.limbs_[at(result.size_++)] = rest;
  }
  result.trim();
  return result;
}

ScaledReal BigInteger::round() const {
  if (is_zero()) {
    return {};
  }
  // `first_bit` is the lowest of the 53 bits that stay; below it one bit decides with the rest.
  const int top = end() - 1;
  const int high_bit = top * 64 + 63 - std::countl_zero(limb_at(top));
  const int first_bit = high_bit - 52;
  const auto bits_from = [&](int bit) {
    const int place = bit >= 0 ? bit / 64 : (bit - 63) / 64;
    const int shift = bit - place * 64;
    const uint64_t low = limb_at(place) >> shift;
    return shift == 0 ? low : low | (limb_at(place + 1) << (64 - shift));
  };
  uint64_t fraction = bits_from(first_bit) & ((uint64_t{1} << 53) - 1);
  const bool half = (bits_from(first_bit - 1) & 1) != 0;
  bool sticky = false;
  for (int place = offset_; place < end() && !sticky; ++place) {
    const int below = first_bit - 1 - place * 64;  // bits of this limb that are below the half
    if (below <= 0) {
      break;
    }
    const uint64_t mask = below >= 64 ? ~uint64_t{0} : (uint64_t{1} << below) - 1;
    sticky = (limb_at(place) & mask) != 0;
  }
  if (half && (sticky || (fraction & 1) != 0)) {
    ++fraction;
  }
  const auto real = static_cast<double>(fraction);
  return {negative_ ? -real : real, first_bit};
}

}  // namespace assay::gold
