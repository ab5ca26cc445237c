// A double is an integer times 2^-1074, so a sum of doubles is one long integer:
//
//   limb        0          1                 17                 34
//          |....64....|....64....|  ...  |....64....|  ...  |....64....|
//   bit 0 = 2^-1074                 bit 1074 = 2^0      bit 2098 = 2^1024
//
// Only the limbs between the lowest and the highest bit seen are held (long_sum.h): sums of prices
// or delays use two or three. One add touches two limbs and the carries behind them. Bytes: those
// of LongSum, marked when three varints follow: NaNs, +infinities, -infinities.

#include "gold/exact_sum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

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

void ExactSum::clear() {
  limbs_.clear();
  nans_ = 0;
  positive_infinities_ = 0;
  negative_infinities_ = 0;
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
  const uint64_t high = shift == 0 ? 0 : mantissa >> (64 - shift);
  limbs_.add<2>(limb, {low, high}, ((bits >> 63) != 0) != negate);
}

void ExactSum::merge(const ExactSum& other) {
  nans_ = wrapping_add(nans_, other.nans_);
  positive_infinities_ = wrapping_add(positive_infinities_, other.positive_infinities_);
  negative_infinities_ = wrapping_add(negative_infinities_, other.negative_infinities_);
  limbs_.merge(other.limbs_);
}

void ExactSum::unmerge(const ExactSum& other) {
  if (&other == this) {
    clear();
    return;
  }
  nans_ = wrapping_add(nans_, -other.nans_);
  positive_infinities_ = wrapping_add(positive_infinities_, -other.positive_infinities_);
  negative_infinities_ = wrapping_add(negative_infinities_, -other.negative_infinities_);
  limbs_.unmerge(other.limbs_);
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
  std::array<uint64_t, Limbs::kLimbsMax> magnitude;
  const bool negative = limbs_.is_negative();
  bool carry = negative;
  int top_limb = -1;
  int lowest_limb = -1;
  for (int i = limbs_.begin(); i < limbs_.end(); ++i) {
    uint64_t limb = limbs_.limb(i);
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
  const uint64_t low = limb >= limbs_.begin() ? magnitude[at(limb)] : 0;
  uint64_t bits = low >> shift;
  if (shift != 0 && limb + 1 <= top_limb && limb + 1 >= limbs_.begin()) {
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
  const bool specials = !is_finite();
  limbs_.encode(out, specials);
  if (specials) {
    append_varint(out, static_cast<uint64_t>(nans_));
    append_varint(out, static_cast<uint64_t>(positive_infinities_));
    append_varint(out, static_cast<uint64_t>(negative_infinities_));
  }
}

ExactSum ExactSum::decode(RowReader* reader) {
  ExactSum sum;
  bool specials = false;
  sum.limbs_ = Limbs::decode(reader, &specials);
  if (specials) {
    sum.nans_ = static_cast<int64_t>(reader->varint());
    sum.positive_infinities_ = static_cast<int64_t>(reader->varint());
    sum.negative_infinities_ = static_cast<int64_t>(reader->varint());
  }
  return sum;
}

void ExactSum::merge_encoded(RowReader* reader) {
  bool specials = false;
  limbs_.merge_encoded(reader, &specials);
  if (specials) {
    nans_ = wrapping_add(nans_, static_cast<int64_t>(reader->varint()));
    positive_infinities_ =
        wrapping_add(positive_infinities_, static_cast<int64_t>(reader->varint()));
    negative_infinities_ =
        wrapping_add(negative_infinities_, static_cast<int64_t>(reader->varint()));
  }
}

bool ExactSum::operator==(const ExactSum& other) const {
  std::string mine;
  std::string theirs;
  encode(&mine);
  other.encode(&theirs);
  return mine == theirs;
}

}  // namespace assay::gold
