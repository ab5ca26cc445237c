#include "gold/naive_integer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace assay::gold {
namespace {

constexpr int kDigitBits = 24;
constexpr int64_t kBase = int64_t{1} << kDigitBits;

}  // namespace

NaiveInteger::NaiveInteger(int64_t value) {
  for (; value != 0; value /= kBase) {
    digits_.push_back(value % kBase);
  }
}

NaiveInteger NaiveInteger::of(double value) {
  int exponent = 0;
  const auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(value, &exponent), 53));
  // value = mantissa * 2^(exponent - 53); in units of 2^-1074 that may need the low bits shifted
  // out
  const int bit = exponent - 53 + 1074;
  NaiveInteger result(bit >= 0 ? mantissa : mantissa / (int64_t{1} << -bit));
  if (bit > 0) {
    result.digits_.insert(result.digits_.begin(), static_cast<std::size_t>(bit / kDigitBits), 0);
    result = result * NaiveInteger(int64_t{1} << (bit % kDigitBits));
  }
  return result;
}

void NaiveInteger::normalise() {
  const auto carry_all = [&] {
    int64_t carry = 0;
    for (int64_t& digit : digits_) {
      const int64_t sum = digit + carry;
      carry = sum >> kDigitBits;
      digit = sum - carry * kBase;
    }
    for (; carry != 0 && carry != -1; carry >>= kDigitBits) {
      digits_.push_back(carry & (kBase - 1));
    }
    return carry == -1;
  };
  if (carry_all()) {  // negative: what is below the carry is too large by 2^(24 n)
    digits_.push_back(-1);
    for (int64_t& digit : digits_) {
      digit = -digit;
    }
    carry_all();
    for (int64_t& digit : digits_) {
      digit = -digit;
    }
  }
  while (!digits_.empty() && digits_.back() == 0) {
    digits_.pop_back();
  }
}

NaiveInteger NaiveInteger::operator+(const NaiveInteger& other) const {
  NaiveInteger result = *this;
  result.digits_.resize(std::max(digits_.size(), other.digits_.size()));
  for (std::size_t i = 0; i < other.digits_.size(); ++i) {
    result.digits_[i] += other.digits_[i];
  }
  result.normalise();
  return result;
}

NaiveInteger NaiveInteger::operator-(const NaiveInteger& other) const {
  return *this + other * NaiveInteger(-1);
}

NaiveInteger NaiveInteger::operator*(const NaiveInteger& other) const {
  NaiveInteger result;
  result.digits_.resize(digits_.size() + other.digits_.size());
  for (std::size_t i = 0; i < digits_.size(); ++i) {
    for (std::size_t j = 0; j < other.digits_.size(); ++j) {
      result.digits_[i + j] += digits_[i] * other.digits_[j];
    }
  }
  result.normalise();
  return result;
}

NaiveInteger::Rounded NaiveInteger::round() const {
  std::vector<bool> bits;
  for (const int64_t digit : digits_) {
    const int64_t magnitude = std::abs(digit);
    for (int i = 0; i < kDigitBits; ++i) {
      bits.push_back((magnitude >> i & 1) != 0);
    }
  }
  while (!bits.empty() && !bits.back()) {
    bits.pop_back();
  }
  if (bits.empty()) {
    return {};
  }
  const auto lowest = static_cast<int64_t>(bits.size()) - 53;
  const auto bit_at = [&](int64_t i) { return i >= 0 && bits[static_cast<std::size_t>(i)]; };
  int64_t fraction = 0;
  for (int64_t i = 52; i >= 0; --i) {
    fraction = fraction * 2 + (bit_at(lowest + i) ? 1 : 0);
  }
  bool rest = false;
  for (int64_t i = 0; i < lowest - 1; ++i) {
    rest = rest || bit_at(i);
  }
  if (bit_at(lowest - 1) && (rest || fraction % 2 != 0)) {
    ++fraction;
  }
  return {static_cast<double>(digits_.back() < 0 ? -fraction : fraction), lowest};
}

}  // namespace assay::gold
