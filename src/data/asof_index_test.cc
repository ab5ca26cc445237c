#include "data/asof_index.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/batch.h"

namespace assay::data {
namespace {

struct Tables {
  Batch labels;  // key, time
  Batch rows;    // key, event_time, known_time, sequence
};

SchemaPtr label_schema(Type key) {
  return make_schema({{"key", key, true}, {"time", Type::kTimestamp, true}});
}

void append_key(ColumnBuilder& builder, int64_t key) {
  if (builder.type() == Type::kString) {
    builder.append_text(key % 3 == 0 ? std::to_string(key)
                                     : "a longer customer name " + std::to_string(key));
  } else {
    builder.append(key);
  }
}

/// `hot` of ten rows and labels have key 0.
Tables make_tables(uint64_t seed, Type key_type, int64_t labels, int64_t rows, int hot) {
  std::mt19937_64 random(seed);
  const auto below = [&](int64_t end) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(end));
  };
  const auto key = [&] { return below(10) < hot ? 0 : below(500); };
  BatchBuilder left(label_schema(key_type));
  for (int64_t i = 0; i < labels; ++i) {
    if (below(50) == 0) {
      left.column(0).append_null();
    } else {
      append_key(left.column(0), key());
    }
    left.column(1).append(below(100'000));
  }
  BatchBuilder right(make_schema({{"key", key_type, true},
                                  {"event_time", Type::kTimestamp, true},
                                  {"known_time", Type::kTimestamp, true},
                                  {"sequence", Type::kInt64, false}}));
  for (int64_t i = 0; i < rows; ++i) {
    append_key(right.column(0), key());
    const int64_t event = below(100'000);
    right.column(1).append(event);
    right.column(2).append(event + (below(2) == 0 ? 0 : below(5'000)));
    right.column(3).append(below(3));
  }
  return {left.finish(), right.finish()};
}

AsofLabels labels_of(const Batch& batch) {
  return {.keys = {batch.find("key")}, .time = batch.find("time")};
}
AsofRows rows_of(const Batch& batch) {
  return {.keys = {batch.find("key")},
          .event_time = batch.find("event_time"),
          .known_time = batch.find("known_time"),
          .sequence = batch.find("sequence")};
}

/// The same join with both sides cut into pieces of these sizes.
AsofMatch join_in_pieces(const Tables& tables,
                         int64_t label_piece,
                         int64_t row_piece,
                         int threads) {
  AsofIndex index({tables.labels.column(0).type()}, threads);
  for (int64_t begin = 0; begin < tables.labels.rows(); begin += label_piece) {
    const Batch piece =
        tables.labels.slice(begin, std::min(begin + label_piece, tables.labels.rows()));
    EXPECT_TRUE(index.add(labels_of(piece)).ok());
  }
  index.seal();
  AsofSweep sweep(index, threads);
  for (int64_t begin = 0; begin < tables.rows.rows(); begin += row_piece) {
    const Batch piece = tables.rows.slice(begin, std::min(begin + row_piece, tables.rows.rows()));
    EXPECT_TRUE(sweep.add(rows_of(piece), begin).ok());
  }
  return sweep.finish(Duration{20'000});
}

TEST(AsofIndex, PiecesGiveTheAnswersOfTheWhole) {
  for (const Type type : {Type::kInt64, Type::kString}) {
    for (const int hot : {0, 5, 10}) {
      const Tables tables = make_tables(7, type, 20'000, 50'000, hot);
      const auto whole = asof_join(
          labels_of(tables.labels), rows_of(tables.rows), {.ttl = Duration{20'000}, .threads = 1});
      ASSERT_TRUE(whole.ok());
      for (const int threads : {1, 3}) {
        const AsofMatch cut = join_in_pieces(tables, 7'777, 20'011, threads);
        ASSERT_EQ(cut.rows, whole->rows);
        ASSERT_EQ(cut.statuses, whole->statuses);
      }
    }
  }
}

TEST(AsofIndex, MoreRowsThanAreSweptAtOnce) {
  const Tables tables = make_tables(8, Type::kInt64, 1'000, (int64_t{1} << 21) + 30'001, 0);
  const AsofMatch whole = join_in_pieces(tables, 1'000, tables.rows.rows(), 2);
  const AsofMatch cut = join_in_pieces(tables, 1'000, 500'009, 2);
  ASSERT_EQ(cut.rows, whole.rows);
  ASSERT_EQ(cut.statuses, whole.statuses);
}

TEST(AsofIndex, CountsWhatItWasGiven) {
  BatchBuilder builder(label_schema(Type::kString));
  for (const char* key : {"u1", "u1", "u2", "u1", "a name longer than seven bytes"}) {
    builder.column(0).append_text(key);
    builder.column(1).append(int64_t{5});
  }
  builder.column(0).append_null();
  builder.column(1).append(int64_t{5});
  builder.column(0).append_text("u9");
  builder.column(1).append_null();
  const Batch labels = builder.finish();
  AsofIndex index({Type::kString}, 2);
  ASSERT_TRUE(index.add(labels_of(labels)).ok());
  index.seal();
  EXPECT_EQ(index.labels(), 7);
  EXPECT_EQ(index.labels_with_nulls(), 2);
  EXPECT_EQ(index.duplicate_labels(), 2);
  EXPECT_EQ(index.entities(), 3);
  EXPECT_GT(index.bytes(), 0U);
}

TEST(AsofIndex, WrongPiecesAreInvalidArguments) {
  const Tables tables = make_tables(1, Type::kInt64, 10, 10, 0);
  AsofIndex texts({Type::kString}, 1);
  EXPECT_EQ(texts.add(labels_of(tables.labels)).code(), Code::kInvalidArgument);
  EXPECT_EQ(texts.add({.keys = {}, .time = tables.labels.find("time")}).code(),
            Code::kInvalidArgument);
  AsofIndex index({Type::kInt64}, 1);
  ASSERT_TRUE(index.add(labels_of(tables.labels)).ok());
  index.seal();
  AsofSweep sweep(index, 1);
  AsofRows rows = rows_of(tables.rows);
  rows.known_time = nullptr;
  EXPECT_EQ(sweep.add(rows, 0).code(), Code::kInvalidArgument);
  EXPECT_EQ(AsofIndex({Type::kFloat64}, 1)
                .add({.keys = {tables.labels.find("key")}, .time = tables.labels.find("time")})
                .code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::data
