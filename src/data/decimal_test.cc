#include "data/decimal.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::data {
namespace {

std::string read(std::string_view text, int precision, int scale) {
  const std::optional<Int128> units = parse_decimal(text, precision, scale);
  return units.has_value() ? format_decimal(*units, scale) : "none";
}

TEST(Decimal, TextIsReadAndWritten) {
  EXPECT_EQ(read("12.3", 10, 2), "12.30");
  EXPECT_EQ(read("-.5", 10, 2), "-0.50");
  EXPECT_EQ(read("+7.", 10, 2), "7.00");
  EXPECT_EQ(read("0", 3, 0), "0");
  EXPECT_EQ(read("-0.00", 3, 2), "0.00");
  EXPECT_EQ(read("1e3", 10, 2), "1000.00");
  EXPECT_EQ(read("1.5E-1", 10, 2), "0.15");
  EXPECT_EQ(read("000000000000000000000000000000000000000000001", 1, 0), "1");
  EXPECT_EQ(read("99999999999999999999999999999999999999", 38, 0),
            "99999999999999999999999999999999999999");
  EXPECT_EQ(read("-0.99999999999999999999999999999999999999", 38, 38),
            "-0.99999999999999999999999999999999999999");
}

TEST(Decimal, DigitsBeyondTheScaleAreRoundedAwayFromZero) {
  EXPECT_EQ(read("1.005", 10, 2), "1.01");
  EXPECT_EQ(read("-1.005", 10, 2), "-1.01");
  EXPECT_EQ(read("1.00499999", 10, 2), "1.00");
  EXPECT_EQ(read("0.5", 10, 0), "1");
  EXPECT_EQ(read("0.05", 10, 0), "0");
  EXPECT_EQ(read("1e-50", 10, 0), "0");
}

TEST(Decimal, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(read("100.00", 4, 2), "none");
  EXPECT_EQ(read("99.995", 4, 2), "none");
  EXPECT_EQ(read("99999999999999999999999999999999999999.5", 38, 0), "none");
  EXPECT_EQ(read("1e38", 38, 0), "none");
  EXPECT_EQ(read("1e999999999", 38, 0), "none");
  for (const std::string_view text : {"", "-", ".", "e5", "1e", "1e+-5", "1.2.3", "0x10", "nan"}) {
    EXPECT_EQ(read(text, 10, 2), "none") << text;
  }
}

TEST(Decimal, RandomUnitsAreReadBack) {
  const auto random = seeded_random(7);
  for (int round = 0; round < 20'000; ++round) {
    const int scale = static_cast<int>(random->below(39));
    Int128 units = (Int128{static_cast<int64_t>(random->next())} << 64) | random->next();
    units >>= random->below(128);
    if (!fits_precision(units, 38)) {
      continue;
    }
    const std::optional<Int128> back = parse_decimal(format_decimal(units, scale), 38, scale);
    ASSERT_TRUE(back.has_value() && *back == units) << format_decimal(units, scale);
  }
}

TEST(Decimal, TheNearestDoubleIsTaken) {
  EXPECT_EQ(decimal_to_double(1230, 2), 12.3);
  EXPECT_EQ(decimal_to_double(-1, 1), -0.1);
  EXPECT_EQ(decimal_to_double((Int128{1} << 53) + 1, 0), 9007199254740992.0);
  EXPECT_EQ(decimal_to_double(1, 38), 1e-38);
}

}  // namespace
}  // namespace assay::data
