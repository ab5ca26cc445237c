// FoldedState is AggregateState with numbers where these will do: whatever is folded into both, the
// bytes are equal.

#include "gold/folded_state.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::gold {
namespace {

using Limits = std::numeric_limits<double>;

/// Numbers of one kind, so that some sums stay small for long and others never do.
double random_real(Random& random, uint64_t kind) {
  const auto number = static_cast<int64_t>(random.below(2'000'001)) - 1'000'000;
  switch (kind) {
    case 0:  // prices
      return static_cast<double>(number) / 100.0;
    case 1:  // whole numbers
      return static_cast<double>(number);
    case 2:  // of many magnitudes
      return std::ldexp(static_cast<double>(number), static_cast<int>(random.below(120)) - 60);
    case 3: {  // edges
      const double edges[] = {0.0,
                              -0.0,
                              Limits::max(),
                              -Limits::max(),
                              Limits::denorm_min(),
                              -Limits::min(),
                              Limits::infinity(),
                              -Limits::infinity(),
                              Limits::quiet_NaN(),
                              1.0};
      return edges[random.below(std::size(edges))];
    }
    default:  // any bits
      return std::bit_cast<double>(random.next());
  }
}

/// Rows of a batch with one argument of each type, some of which do not count.
struct TestInputs {
  TestInputs(Random& random, std::size_t rows, uint64_t kind, bool all_count) {
    data::ColumnBuilder reals(data::Type::kFloat64);
    data::ColumnBuilder narrow(data::Type::kFloat32);
    data::ColumnBuilder whole(data::Type::kInt64);
    data::ColumnBuilder flags(data::Type::kBool);
    data::ColumnBuilder texts(data::Type::kString);
    for (std::size_t row = 0; row < rows; ++row) {
      reals.append(random_real(random, kind));
      narrow.append(static_cast<float>(random_real(random, std::min<uint64_t>(kind, 1))));
      whole.append(kind == 0 ? static_cast<int64_t>(random.below(100))
                             : static_cast<int64_t>(random.next()));
      flags.append(static_cast<uint8_t>(random.below(2)));
      texts.append_text(std::to_string(random.below(30)));
      times.push_back(static_cast<int64_t>(random.below(1000)));
    }
    inputs.arguments.push_back({});  // rows
    for (data::ColumnBuilder* const builder : {&reals, &narrow, &whole, &flags, &texts}) {
      inputs.arguments.push_back({builder->finish(), {}, true});
    }
    for (ArgumentColumn& argument : inputs.arguments) {
      argument.look_at_values();
      argument.all_count = all_count;
      for (std::size_t row = 0; row < rows; ++row) {
        argument.counted.push_back(all_count || random.below(3) != 0 ? 1 : 0);
      }
    }
    inputs.event_time = times;
    inputs.known_time = times;
    inputs.sequence = times;
  }
  std::vector<int64_t> times;
  BatchInputs inputs;
};

std::vector<Primitive> primitives() {
  const data::TypeId types[] = {data::TypeId::kInt64,
                                data::TypeId::kFloat64,
                                data::TypeId::kFloat32,
                                data::TypeId::kInt64,
                                data::TypeId::kBool,
                                data::TypeId::kString};
  std::vector<Primitive> all{{PrimitiveKind::kCount, 0, types[0]},
                             {PrimitiveKind::kFloatSum, 1, types[1]},
                             {PrimitiveKind::kFloatSum, 2, types[2]},
                             {PrimitiveKind::kIntegerSum, 3, types[3]},
                             {PrimitiveKind::kIntegerSum, 4, types[4]},
                             {PrimitiveKind::kSquares, 1, types[1]},
                             {PrimitiveKind::kRegisters, 5, types[5]}};
  for (int argument = 1; argument <= 5; ++argument) {
    const data::TypeId type = types[argument];
    all.push_back({PrimitiveKind::kCount, argument, type});
    all.push_back({PrimitiveKind::kMin, argument, type});
    all.push_back({PrimitiveKind::kMax, argument, type});
    all.push_back({PrimitiveKind::kFirst, argument, type, 2});
  }
  return all;
}

std::string bytes_of(const FoldedState& state) {
  ByteBuffer bytes;
  state.encode(&bytes);
  return std::string(bytes.view());
}

std::string bytes_of(const AggregateState& state) {
  std::string bytes;
  state.encode(&bytes);
  return bytes;
}

/// Sums of doubles are rounded alike, and are the same number whatever holds it.
void expect_equal_sums(const FoldedState& folded, const AggregateState& naive) {
  if (const auto* sum = naive.as<FloatSumState>()) {
    EXPECT_TRUE(folded.is_real_sum());
    EXPECT_EQ(std::bit_cast<uint64_t>(folded.rounded_sum()),
              std::bit_cast<uint64_t>(sum->sum.round()));
    EXPECT_TRUE(folded.exact_sum() == sum->sum);
  }
}

void add_naively(const Primitive& primitive,
                 const BatchInputs& inputs,
                 std::span<const RowPlace> rows,
                 AggregateState* state) {
  const ArgumentColumn& column = inputs.arguments[static_cast<std::size_t>(primitive.argument)];
  for (const RowPlace& place : rows) {
    if (column.counted[place.row] != 0) {
      state->add(column.values == nullptr
                     ? InputValue()
                     : input_value(*column.values, static_cast<int64_t>(place.row)),
                 inputs.order_of_row(place.row));
    }
  }
}

TEST(FoldedState, HasTheBytesOfAggregateStateWhateverIsFoldedIn) {
  constexpr std::size_t kRows = 60;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const auto random = seeded_random(seed);
    const TestInputs test(*random, kRows, seed % 5, seed % 2 == 0);
    for (const Primitive& primitive : primitives()) {
      FoldedState folded(primitive);
      AggregateState naive(primitive);
      std::string encoded = bytes_of(naive);  // of an earlier time
      for (int step = 0; step < 40; ++step) {
        const uint64_t what = random->below(9);
        if (what == 0) {
          folded.clear();
          naive = AggregateState(primitive);
        } else if (what <= 2) {
          RowReader reader(encoded);
          folded.merge_encoded(&reader);
          EXPECT_TRUE(!reader.failed() && reader.at_end());
          RowReader again(encoded);
          naive.merge_encoded(&again);
        } else if (what == 3) {
          RowReader reader(encoded);
          FoldedState other(primitive);
          other.merge_encoded(&reader);
          folded.merge(other);
          RowReader again(encoded);
          naive.merge_encoded(&again);
        } else {
          std::vector<RowPlace> rows;
          for (uint64_t count = random->below(4); count > 0; --count) {
            rows.push_back({0, random->below(kRows)});
          }
          folded.add(test.inputs, rows);
          add_naively(primitive, test.inputs, rows, &naive);
        }
        ASSERT_EQ(bytes_of(folded), bytes_of(naive))
            << "seed " << seed << ", step " << step << ", kind " << static_cast<int>(primitive.kind)
            << " of argument " << primitive.argument;
        expect_equal_sums(folded, naive);
        if (random->below(4) == 0) {
          encoded = bytes_of(naive);
        }
      }
    }
  }
}

TEST(FoldedState, SumsThatGrowOutOf128BitsAndBackAreExact) {
  const Primitive primitive{PrimitiveKind::kFloatSum, 0, data::TypeId::kFloat64};
  for (int bits = -1074; bits <= 1020; bits += 7) {
    for (const int apart : {0, 1, 30, 38, 39, 40, 41, 74, 87, 88, 89, 90, 120, 200, 2000}) {
      if (bits + apart > 1020) {
        continue;
      }
      data::ColumnBuilder builder(data::Type::kFloat64);
      for (const double value : {std::ldexp(1.0, bits),
                                 std::ldexp(1.0, bits + apart),
                                 std::ldexp(-1.75, bits + apart),
                                 std::ldexp(0.75, bits + apart),
                                 std::ldexp(-1.0, bits)}) {
        builder.append(value);
      }
      BatchInputs inputs;
      inputs.arguments.push_back({builder.finish(), std::vector<uint8_t>(5, 1), true});
      inputs.arguments.back().look_at_values();
      const std::vector<int64_t> times(5, 0);
      inputs.event_time = inputs.known_time = inputs.sequence = times;
      for (const std::vector<std::size_t>& order :
           {std::vector<std::size_t>{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {1, 0, 4, 2, 3}}) {
        FoldedState folded(primitive);
        AggregateState naive(primitive);
        for (const std::size_t row : order) {
          const std::vector<RowPlace> place{{0, row}};
          folded.add(inputs, place);
          add_naively(primitive, inputs, place, &naive);
          FoldedState merged(primitive);  // from bytes alone
          const std::string bytes = bytes_of(folded);
          RowReader reader(bytes);
          merged.merge_encoded(&reader);
          ASSERT_EQ(bytes, bytes_of(naive)) << bits << " and " << apart;
          ASSERT_EQ(bytes_of(merged), bytes) << bits << " and " << apart;
          expect_equal_sums(folded, naive);
          expect_equal_sums(merged, naive);
        }
      }
    }
  }
}

TEST(FoldedState, RoundsHalvesToEvenAndToTheEndsOfTheRange) {
  const auto random = seeded_random(11);
  const Primitive primitive{PrimitiveKind::kFloatSum, 0, data::TypeId::kFloat64};
  for (int i = 0; i < 20'000; ++i) {
    const int bits = static_cast<int>(random->below(2100)) - 1074;
    FoldedState folded(primitive);
    AggregateState naive(primitive);
    for (const int apart : {0, 53, 52, 54, 1}) {
      const double value = std::ldexp(random->below(2) == 0 ? 1.0 : -1.5, bits + apart);
      folded.add(InputValue{.real = value}, RowOrder());
      naive.add(InputValue{.real = value}, RowOrder());
      expect_equal_sums(folded, naive);
    }
  }
}

TEST(FoldedState, DamagedBytesAreReadAsAggregateStateReadsThem) {
  const auto random = seeded_random(7);
  const TestInputs test(*random, 20, 0, true);
  const std::vector<RowPlace> rows{{0, 3}, {0, 4}, {0, 5}};
  for (const Primitive& primitive : primitives()) {
    for (int i = 0; i < 400; ++i) {
      FoldedState folded(primitive);
      AggregateState naive(primitive);
      folded.add(test.inputs, rows);
      add_naively(primitive, test.inputs, rows, &naive);
      std::string bytes = bytes_of(naive);
      bytes[random->below(bytes.size())] = static_cast<char>(random->next());
      bytes.resize(random->below(bytes.size() + 1));
      RowReader reader(bytes);
      RowReader again(bytes);
      folded.merge_encoded(&reader);
      naive.merge_encoded(&again);
      ASSERT_EQ(reader.failed(), again.failed()) << static_cast<int>(primitive.kind);
      if (!reader.failed()) {
        EXPECT_EQ(reader.remaining(), again.remaining());
        EXPECT_EQ(bytes_of(folded), bytes_of(naive));
      }
    }
  }
}

TEST(ByteBuffer, TextsOfAnyLengthHaveTheirLengthBeforeThem) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 129U, 16'383U, 16'384U, 70'000U}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>('a' + i % 23);
    }
    ByteBuffer bytes;
    bytes.append("before");
    const std::size_t begin = bytes.begin_text();
    bytes.append(text);
    bytes.end_text(begin);
    bytes.append_varint(size);
    std::string expected = "before";
    append_text(&expected, text);
    append_varint(&expected, size);
    EXPECT_EQ(bytes.view(), expected);
  }
}

}  // namespace
}  // namespace assay::gold
