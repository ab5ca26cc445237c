#include "gold/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::gold {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();
constexpr double kSmallest = std::numeric_limits<double>::denorm_min();

uint64_t bits_of(double value) {
  return std::bit_cast<uint64_t>(value);
}

ExactSum sum_of(const std::vector<double>& values) {
  ExactSum sum;
  for (const double value : values) {
    sum.add(value);
  }
  return sum;
}

std::string bytes_of(const ExactSum& sum) {
  std::string bytes;
  sum.encode(&bytes);
  return bytes;
}

/// The sum, one counter a bit: add up mantissa bits, carry once at the end, round by hand.
double naive_sum(const std::vector<double>& values) {
  std::vector<int64_t> bits(2300, 0);
  for (const double value : values) {
    int exponent = 0;
    const double fraction =
        std::frexp(std::abs(value), &exponent);  // value = fraction * 2^exponent
    const auto mantissa = static_cast<uint64_t>(std::ldexp(fraction, 53));
    for (int i = 0; i < 53; ++i) {
      if ((mantissa >> i & 1) != 0) {
        bits.at(static_cast<std::size_t>(exponent - 53 + i + 1074)) += std::signbit(value) ? -1 : 1;
      }
    }
  }
  const auto carry_all = [&] {
    int64_t carry = 0;
    for (int64_t& bit : bits) {
      carry += bit;
      bit = carry & 1;
      carry = (carry - bit) / 2;
    }
    return carry;
  };
  const std::vector<int64_t> before = bits;
  const bool negative = carry_all() < 0;
  if (negative) {
    std::transform(before.begin(), before.end(), bits.begin(), [](int64_t bit) { return -bit; });
    carry_all();
  }
  auto top = static_cast<int>(bits.size()) - 1;
  while (top >= 0 && bits[static_cast<std::size_t>(top)] == 0) {
    --top;
  }
  const int lowest = std::max(top - 52, 0);
  uint64_t mantissa = 0;
  for (int i = top; i >= lowest; --i) {
    mantissa = mantissa * 2 + static_cast<uint64_t>(bits[static_cast<std::size_t>(i)]);
  }
  const bool half = lowest > 0 && bits[static_cast<std::size_t>(lowest - 1)] != 0;
  const bool rest = half && std::any_of(bits.begin(), bits.begin() + lowest - 1, [](int64_t bit) {
                      return bit != 0;
                    });
  mantissa += half && (rest || (mantissa & 1) != 0) ? 1 : 0;
  const double result = std::ldexp(static_cast<double>(mantissa), lowest - 1074);
  return negative ? -result : result;
}

/// Values as users have them, and values that hurt.
class Values {
 public:
  explicit Values(uint64_t seed) : random_(seeded_random(seed)) {}
  double next() {
    switch (random_->below(6)) {
      case 0:
        return static_cast<double>(static_cast<int64_t>(random_->below(4000)) - 1000);
      case 1:
        return static_cast<double>(random_->below(100000)) / 100.0;
      case 2:
        return last_ = -last_;
      case 3:
        return last_ = std::ldexp(sign(), static_cast<int>(random_->below(2000)) - 1074);
      default: {
        double value = std::bit_cast<double>(random_->next());
        while (!std::isfinite(value)) {
          value = std::bit_cast<double>(random_->next());
        }
        return last_ = value;
      }
    }
  }
  std::vector<double> list(std::size_t count) {
    std::vector<double> values;
    for (std::size_t i = 0; i < count; ++i) {
      values.push_back(next());
    }
    return values;
  }
  uint64_t below(uint64_t end) { return random_->below(end); }
  void shuffle(std::vector<double>* values) {
    for (std::size_t i = values->size(); i > 1; --i) {
      std::swap((*values)[i - 1], (*values)[random_->below(i)]);
    }
  }

 private:
  double sign() { return random_->below(2) == 0 ? 1.0 : -1.0; }
  std::unique_ptr<Random> random_;
  double last_ = 1.0;
};

TEST(ExactSum, EqualsTheNaiveSumOnRandomValues) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Values random(seed);
    const std::vector<double> values = random.list(1 + random.below(40));
    EXPECT_EQ(bits_of(sum_of(values).round()), bits_of(naive_sum(values)));
  }
}

TEST(ExactSum, AnyOrderAndGroupingGivesEqualBytes) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Values random(seed);
    std::vector<double> values = random.list(1 + random.below(60));
    const ExactSum straight = sum_of(values);
    random.shuffle(&values);
    std::vector<ExactSum> parts(1 + random.below(5));
    for (const double value : values) {
      parts[random.below(parts.size())].add(value);
    }
    ExactSum merged;
    for (const ExactSum& part : parts) {
      merged.merge(part);
    }
    EXPECT_EQ(bytes_of(merged), bytes_of(straight));
    EXPECT_EQ(bits_of(merged.round()), bits_of(straight.round()));
    EXPECT_TRUE(merged == straight);
  }
}

TEST(ExactSum, WhatIsSubtractedWasNeverThere) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Values random(seed);
    std::vector<double> kept = random.list(random.below(20));
    std::vector<double> removed = random.list(random.below(20));
    removed.insert(removed.end(), {kInfinity, -kInfinity, std::nan("")});
    ExactSum sum = sum_of(kept);
    sum.merge(sum_of(removed));
    random.shuffle(&removed);
    for (const double value : removed) {
      sum.subtract(value);
    }
    EXPECT_EQ(bytes_of(sum), bytes_of(sum_of(kept)));
    sum.merge(sum_of(removed));
    sum.unmerge(sum_of(removed));
    EXPECT_EQ(bytes_of(sum), bytes_of(sum_of(kept)));
  }
}

TEST(ExactSum, DecodingGivesTheSameSumBack) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Values random(seed);
    std::vector<double> values = random.list(random.below(30));
    if (seed % 5 == 0) {
      values.push_back(kInfinity);
    }
    const ExactSum sum = sum_of(values);
    const std::string bytes = bytes_of(sum) + "tail";
    RowReader reader(bytes);
    ExactSum decoded = ExactSum::decode(&reader);
    EXPECT_EQ(reader.take(4), "tail");
    EXPECT_TRUE(decoded == sum);
    const double more = random.next();
    decoded.add(more);
    values.push_back(more);
    EXPECT_TRUE(decoded == sum_of(values));
  }
}

TEST(ExactSum, DamagedBytesFailTheReader) {
  for (const std::string& bytes : {std::string("\x04"),
                                   std::string("\x04\x01\x01"),
                                   std::string("\xff\xff\xff\xff\x0f\x01"),
                                   std::string("\x01\x01"),
                                   std::string("\x02\xff\x7f\x01")}) {
    RowReader reader(bytes);
    (void)ExactSum::decode(&reader);
    EXPECT_TRUE(reader.failed());
  }
}

TEST(ExactSum, NothingLargeSwallowsAnythingSmall) {
  EXPECT_EQ(sum_of({1e17, 1, 1, 1, -1e17}).round(), 3.0);
  EXPECT_EQ(sum_of({1e308, kSmallest, -1e308}).round(), kSmallest);
  EXPECT_EQ(sum_of({0.1, 0.2, 0.3}).round(), 0.6);
}

TEST(ExactSum, LeavesAndReentersTheRangeOfDoubles) {
  EXPECT_EQ(sum_of({kLargest, kLargest}).round(), kInfinity);
  EXPECT_EQ(sum_of({-kLargest, -kLargest}).round(), -kInfinity);
  EXPECT_EQ(sum_of({kLargest, kLargest, -kLargest}).round(), kLargest);
  EXPECT_EQ(sum_of(std::vector<double>(1000, 1e308)).round(), kInfinity);
}

TEST(ExactSum, RoundsHalvesToEven) {
  const double above_one = std::nextafter(1.0, 2.0);
  const double half = std::ldexp(1.0, -53);
  EXPECT_EQ(sum_of({1.0, half}).round(), 1.0);
  EXPECT_EQ(sum_of({1.0, half, kSmallest}).round(), above_one);
  EXPECT_EQ(sum_of({above_one, half}).round(), std::nextafter(above_one, 2.0));
  EXPECT_EQ(sum_of({kLargest, std::ldexp(1.0, 970)}).round(), kInfinity);
  EXPECT_EQ(sum_of({kLargest, std::ldexp(1.0, 969)}).round(), kLargest);
}

TEST(ExactSum, SubnormalSumsAreExact) {
  const double smallest_normal = std::numeric_limits<double>::min();
  EXPECT_EQ(sum_of({kSmallest, kSmallest, kSmallest}).round(), 3 * kSmallest);
  EXPECT_EQ(sum_of({smallest_normal, -kSmallest}).round(), smallest_normal - kSmallest);
  EXPECT_EQ(sum_of({-smallest_normal, kSmallest, -kSmallest}).round(), -smallest_normal);
}

TEST(ExactSum, ZeroIsPositive) {
  EXPECT_EQ(bits_of(sum_of({}).round()), bits_of(0.0));
  EXPECT_EQ(bits_of(sum_of({-0.0, -0.0}).round()), bits_of(0.0));
  EXPECT_EQ(bits_of(sum_of({5.5, -5.5}).round()), bits_of(0.0));
  EXPECT_EQ(bytes_of(sum_of({5.5, -5.5})), bytes_of(ExactSum()));
}

TEST(ExactSum, InfinitiesAndNaNShowUntilTheyAreSubtracted) {
  ExactSum sum = sum_of({1.0, kInfinity});
  EXPECT_EQ(sum.round(), kInfinity);
  sum.add(-kInfinity);
  EXPECT_EQ(bits_of(sum.round()), bits_of(std::numeric_limits<double>::quiet_NaN()));
  sum.subtract(kInfinity);
  EXPECT_EQ(sum.round(), -kInfinity);
  sum.subtract(-kInfinity);
  EXPECT_EQ(sum.round(), 1.0);
  sum.add(std::nan("7"));
  EXPECT_EQ(bits_of(sum.round()), bits_of(std::numeric_limits<double>::quiet_NaN()));
  sum.subtract(std::nan(""));
  EXPECT_EQ(sum.round(), 1.0);
}

}  // namespace
}  // namespace assay::gold
