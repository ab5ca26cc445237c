// Every state is a commutative monoid, to the bit, and its bytes are canonical.

#include "gold/aggregate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::gold {
namespace {

using data::Type;

struct Row {
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::string vector;  // the bytes of an array of kVectorSize
  RowOrder order;
};
constexpr int kVectorSize = 3;

InputValue input_of(const Primitive& primitive, const Row& row) {
  const data::TypeId type = primitive.type;
  InputValue value;
  if (primitive.kind == PrimitiveKind::kVectorSum) {
    value.text = row.vector;
  } else if (data::is_text(type)) {
    value.text = row.text;
  } else if (is_real(type)) {
    value.real = row.real;
    value.integer = order_of(row.real);
  } else {
    value.integer = row.integer;
  }
  return value;
}

double random_real(Random& random) {
  switch (random.below(12)) {
    case 0:
      return std::numeric_limits<double>::quiet_NaN();
    case 1:
      return std::numeric_limits<double>::infinity();
    case 2:
      return -std::numeric_limits<double>::infinity();
    case 3:
      return -0.0;
    case 4:
      return 0.0;
    case 5:
      return std::numeric_limits<double>::denorm_min() * static_cast<double>(random.below(5));
    case 6:
      return std::numeric_limits<double>::max();
    case 7:
      return std::numeric_limits<double>::lowest();
    case 8:  // any bits
      return std::bit_cast<double>(random.next());
    default:
      return static_cast<double>(random.below(200)) / 8.0 - 10.0;
  }
}

int64_t random_integer(Random& random, Type type) {
  if (type == Type::kBool) {
    return static_cast<int64_t>(random.below(2));
  }
  switch (random.below(6)) {
    case 0:
      return std::numeric_limits<int64_t>::min();
    case 1:
      return std::numeric_limits<int64_t>::max();
    case 2:
      return static_cast<int64_t>(random.next());
    default:
      return static_cast<int64_t>(random.below(10)) - 5;
  }
}

std::string random_vector(Random& random, Type element) {
  data::ColumnBuilder builder(Type::array(element, kVectorSize));
  for (int i = 0; i < kVectorSize; ++i) {
    const double value = random_real(random);
    builder.child(0).append_scalar(random.below(6) == 0 ? data::Scalar::null(element)
                                                        : data::Scalar{element, value});
  }
  builder.append_nested();
  return std::string(vector_bytes(*builder.finish())->text(0));
}

std::vector<Row> random_rows_of(Random& random, Type type) {
  std::vector<Row> rows(random.below(30));
  for (Row& row : rows) {
    row.integer = random_integer(random, type);
    row.real = random_real(random);
    row.text = std::string(random.below(3), static_cast<char>('a' + random.below(3)));
    row.vector = is_real(type) ? random_vector(random, type) : "";
    row.order = {static_cast<int64_t>(random.below(4)) * 1'000'000,
                 static_cast<int64_t>(random.below(4)) * 2'000'000,
                 static_cast<int64_t>(random.below(3)) - 1};
  }
  return rows;
}

std::string bytes_of(const AggregateState& state) {
  std::string bytes;
  state.encode(&bytes);
  return bytes;
}

bool merge(const std::string& bytes, AggregateState* state) {
  RowReader reader(bytes);
  state->merge_encoded(&reader);
  return !reader.failed() && reader.at_end();
}

struct StateCase {
  Primitive primitive;
  std::string name;
};

std::vector<StateCase> all_states() {
  const std::pair<PrimitiveKind, const char*> kinds[] = {
      {PrimitiveKind::kCount, "count"},
      {PrimitiveKind::kIntegerSum, "integer_sum"},
      {PrimitiveKind::kFloatSum, "float_sum"},
      {PrimitiveKind::kMin, "min"},
      {PrimitiveKind::kMax, "max"},
      {PrimitiveKind::kSquares, "squares"},
      {PrimitiveKind::kCubes, "cubes"},
      {PrimitiveKind::kFirst, "first"},
      {PrimitiveKind::kLast, "last"},
      {PrimitiveKind::kValueCounts, "values"},
      {PrimitiveKind::kRegisters, "registers"},
      {PrimitiveKind::kBins, "bins"},
      {PrimitiveKind::kVectorSum, "vector_sum"}};
  std::vector<StateCase> states;
  for (const auto& [kind, name] : kinds) {
    for (const Type type :
         {Type::kBool, Type::kInt64, Type::kFloat32, Type::kFloat64, Type::kString}) {
      const bool numbers = kind == PrimitiveKind::kSquares || kind == PrimitiveKind::kCubes ||
                           kind == PrimitiveKind::kBins;
      const bool fits =
          !(kind == PrimitiveKind::kIntegerSum && (is_real(type) || data::is_text(type))) &&
          !((kind == PrimitiveKind::kFloatSum || kind == PrimitiveKind::kVectorSum) &&
            !is_real(type)) &&
          !(numbers && data::is_text(type));
      const bool ordered = kind == PrimitiveKind::kFirst || kind == PrimitiveKind::kLast;
      const int64_t single = kind == PrimitiveKind::kVectorSum ? kVectorSize : 1;
      for (const int64_t limit : {single, int64_t{4}}) {
        if (fits && (limit == single || ordered)) {
          states.push_back({{kind, 0, type, limit},
                            std::string(name) + "_" + std::string(data::type_name(type)) + "_" +
                                std::to_string(limit)});
        }
      }
    }
  }
  return states;
}

class AggregateStates : public testing::TestWithParam<StateCase> {
 protected:
  [[nodiscard]] AggregateState state_of(const std::vector<Row>& rows) const {
    AggregateState state(GetParam().primitive);
    for (const Row& row : rows) {
      state.add(input_of(GetParam().primitive, row), row.order);
    }
    return state;
  }

  /// Split the rows at random, merge the parts' states at random, until one is left.
  [[nodiscard]] std::string merged(Random& random, std::vector<Row> rows) const {
    for (std::size_t i = rows.size(); i > 1; --i) {
      std::swap(rows[i - 1], rows[random.below(i)]);
    }
    std::vector<std::string> parts(1 + random.below(6));
    std::vector<std::vector<Row>> groups(parts.size());
    for (const Row& row : rows) {
      groups[random.below(groups.size())].push_back(row);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i] = bytes_of(state_of(groups[i]));
    }
    while (parts.size() > 1) {
      const std::size_t from = random.below(parts.size());
      const std::string taken = parts[from];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(from));
      AggregateState state(GetParam().primitive);
      std::string& into = parts[random.below(parts.size())];
      EXPECT_TRUE(merge(into, &state));
      EXPECT_TRUE(merge(taken, &state));
      into = bytes_of(state);
    }
    return parts.front();
  }
};

TEST_P(AggregateStates, MergeAlikeInAnyOrderAndGrouping) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const auto random = seeded_random(seed);
    const std::vector<Row> rows = random_rows_of(*random, GetParam().primitive.type);
    const std::string straight = bytes_of(state_of(rows));
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(merged(*random, rows), straight) << "seed " << seed;
    }
  }
}

TEST_P(AggregateStates, OfNothingIsNeutral) {
  const auto random = seeded_random(3);
  const std::string empty = bytes_of(state_of({}));
  const std::string some = bytes_of(state_of(random_rows_of(*random, GetParam().primitive.type)));
  for (const bool first : {false, true}) {
    AggregateState state(GetParam().primitive);
    ASSERT_TRUE(merge(first ? empty : some, &state));
    ASSERT_TRUE(merge(first ? some : empty, &state));
    EXPECT_EQ(bytes_of(state), some);
  }
}

TEST_P(AggregateStates, DamagedBytesFailOrReadAndNeverCrash) {
  const auto random = seeded_random(4);
  for (int i = 0; i < 400; ++i) {
    std::string bytes = bytes_of(state_of(random_rows_of(*random, GetParam().primitive.type)));
    bytes[random->below(bytes.size())] = static_cast<char>(random->next());
    bytes.resize(random->below(bytes.size() + 1));
    AggregateState state(GetParam().primitive);
    if (merge(bytes, &state)) {
      AggregateState again(GetParam().primitive);
      EXPECT_TRUE(merge(bytes_of(state), &again));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Every,
                         AggregateStates,
                         testing::ValuesIn(all_states()),
                         [](const auto& one) { return one.param.name; });

TEST(HyperLogLog, EstimatesWithinItsStatedError) {
  const auto random = seeded_random(11);
  double squared_errors = 0;
  int measured = 0;
  for (const int64_t count : {0, 1, 2, 3, 10, 50}) {
    HyperLogLog few;
    for (int64_t i = 0; i < count; ++i) {
      few.add(sketch_code_of(Type::kInt64, {.integer = i}));
    }
    EXPECT_NEAR(
        static_cast<double>(few.estimate()), static_cast<double>(count), count < 10 ? 0 : 3);
  }
  for (int64_t count = 200; count < 300'000; count = count * 3 / 2) {
    for (int repeat = 0; repeat < 8; ++repeat) {
      HyperLogLog registers;
      const auto base = static_cast<int64_t>(random->next() >> 2);
      for (int64_t i = 0; i < count; ++i) {
        registers.add(sketch_code_of(Type::kInt64, {.integer = base + i}));
      }
      const double error =
          static_cast<double>(registers.estimate()) / static_cast<double>(count) - 1;
      squared_errors += error * error;
      ++measured;
      EXPECT_LT(std::fabs(error), 5 * 0.0163) << count;
    }
  }
  EXPECT_LT(std::sqrt(squared_errors / measured), 1.15 * 0.0163);
}

TEST(HyperLogLog, WhatSlidesOutLeavesNothingBehind) {
  const auto random = seeded_random(12);
  SlidingHyperLogLog sliding;
  std::vector<uint32_t> inside;
  for (int i = 0; i < 20'000; ++i) {
    if (inside.empty() || random->below(20'000) > static_cast<uint64_t>(i) / 2) {
      const auto value = static_cast<int64_t>(random->below(3000));
      inside.push_back(sketch_code_of(Type::kInt64, {.integer = value}));
      sliding.add(inside.back());
    } else {
      std::swap(inside[random->below(inside.size())], inside.back());
      sliding.subtract(inside.back());
      inside.pop_back();
    }
    if (i % 500 == 0) {
      HyperLogLog fresh;
      for (const uint32_t code : inside) {
        fresh.add(code);
      }
      ASSERT_EQ(sliding.estimate(), fresh.estimate());
    }
  }
}

TEST(DdSketch, QuantilesLieWithinTheirStatedError) {
  const auto random = seeded_random(13);
  std::vector<double> values;
  DdSketch sketch;
  for (int i = 0; i < 5000; ++i) {
    const double value = std::ldexp(1.0 + static_cast<double>(random->below(1 << 20)) / (1 << 20),
                                    static_cast<int>(random->below(60)) - 30);
    values.push_back(random->below(2) == 0 ? value : -value);
    sketch.add(sketch_bin(values.back()), 1);
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.0, 0.01, 0.25, 0.5, 0.75, 0.95, 0.999, 1.0}) {
    const auto rank = std::max<std::size_t>(
        1, static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size()))));
    const double exact = values[rank - 1];
    const double found = sketch.quantile(q);
    EXPECT_LE(std::fabs(found), std::fabs(exact));
    EXPECT_LE(std::fabs(found - exact), std::fabs(exact) / 128) << q;
  }
}

TEST(DdSketch, WholeNumbersUpTo256AreExactAndBinsKeepTheOrder) {
  for (int i = -256; i <= 256; ++i) {
    EXPECT_EQ(sketch_value(sketch_bin(i)), i);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const double ordered[] = {-infinity,
                            std::numeric_limits<double>::lowest(),
                            -1.5,
                            -1e-300,
                            -std::numeric_limits<double>::denorm_min(),
                            0.0,
                            std::numeric_limits<double>::denorm_min(),
                            1e-300,
                            1.5,
                            std::numeric_limits<double>::max(),
                            infinity,
                            std::numeric_limits<double>::quiet_NaN()};
  for (std::size_t i = 1; i < std::size(ordered); ++i) {
    EXPECT_LT(sketch_bin(ordered[i - 1]), sketch_bin(ordered[i])) << ordered[i];
  }
  EXPECT_EQ(sketch_bin(-0.0), sketch_bin(0.0));
}

TEST(Variance, IsNotLostWhereValuesLieCloseTogether) {
  // Textbook formulas in doubles give 0 or worse here; the true variance is 1.
  ExactSum sum;
  WideSum squares;
  for (const double value : {1e15 + 1, 1e15 + 2, 1e15 + 3}) {
    sum.add(value);
    add_power(value, 2, false, &squares);
  }
  Moments moments = moments_from(3, sum);
  moments.squares = BigInteger::of(squares);
  EXPECT_EQ(variance_cell(moments), real_cell(1.0));
  EXPECT_EQ(stddev_cell(moments), real_cell(1.0));
}

TEST(Variance, StddevStandsWhereTheVarianceOverflows) {
  ExactSum sum;
  WideSum squares;
  for (const double value : {1e300, -1e300}) {
    sum.add(value);
    add_power(value, 2, false, &squares);
  }
  Moments moments = moments_from(2, sum);
  moments.squares = BigInteger::of(squares);
  EXPECT_EQ(variance_cell(moments), real_cell(std::numeric_limits<double>::infinity()));
  EXPECT_NEAR(std::bit_cast<double>(stddev_cell(moments).bits), std::sqrt(2.0) * 1e300, 1e285);
}

}  // namespace
}  // namespace assay::gold
