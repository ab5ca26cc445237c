#include "learn/split.h"

#include <random>

#include <gtest/gtest.h>

namespace assay::learn {
namespace {

constexpr int64_t kNull = -1;

data::Batch rows_of(const std::vector<int64_t>& times, const std::vector<int64_t>& labels) {
  data::BatchBuilder builder(data::make_schema({{"id", data::Type::kInt64, true},
                                                {"event_time", data::Type::kTimestamp, true},
                                                {"label", data::Type::kBool, true}}));
  for (std::size_t i = 0; i < times.size(); ++i) {
    builder.column(0).append(static_cast<int64_t>(i));
    if (times[i] == kNull) {
      builder.column(1).append_null();
    } else {
      builder.column(1).append(times[i]);
    }
    if (labels[i] == kNull) {
      builder.column(2).append_null();
    } else {
      builder.column(2).append(static_cast<uint8_t>(labels[i]));
    }
  }
  return builder.finish();
}

std::vector<int64_t> ids(const data::Batch& batch) {
  const auto values = batch.column(0).values<int64_t>();
  return {values.begin(), values.end()};
}

TEST(Split, OldestShareTrainsInRowOrder) {
  const auto split =
      split_by_time(rows_of({50, 10, 40, 20, 30}, {1, 0, 1, 0, 1}), "event_time", "label", 0.6);
  ASSERT_TRUE(split.ok()) << split.status().to_string();
  EXPECT_EQ(ids(split->train), (std::vector<int64_t>{1, 3, 4}));
  EXPECT_EQ(ids(split->test), (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(split->train_times, (TimeRange{{10}, {30}}));
  EXPECT_EQ(split->test_times, (TimeRange{{40}, {50}}));
}

TEST(Split, BoundaryInstantTestsAsAWhole) {
  const auto split =
      split_by_time(rows_of({10, 20, 20, 20, 30}, {1, 0, 1, 0, 1}), "event_time", "label", 0.6);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(ids(split->train), std::vector<int64_t>{0});
  EXPECT_EQ(ids(split->test), (std::vector<int64_t>{1, 2, 3, 4}));
}

TEST(Split, WholeShareLeavesNoTestRows) {
  const auto split = split_by_time(rows_of({10, 20}, {1, 0}), "event_time", "label", 1);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->train.rows(), 2);
  EXPECT_EQ(split->test.rows(), 0);
  EXPECT_EQ(split->test_times, TimeRange{});
}

TEST(Split, UnlabelledRowsAreOnNeitherSideAndCounted) {
  const auto split = split_by_time(
      rows_of({10, kNull, 20, 30, 40}, {1, 1, kNull, 0, 1}), "event_time", "label", 0.5);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->unlabelled, 2);
  EXPECT_EQ(ids(split->train), std::vector<int64_t>{0});
  EXPECT_EQ(ids(split->test), (std::vector<int64_t>{3, 4}));
}

TEST(Split, NothingThatTrainsIsAsLateAsWhatTests) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::vector<int64_t> times;
    for (int i = 0; i < 60; ++i) {
      times.push_back(static_cast<int64_t>(random() % 25));
    }
    const auto split =
        split_by_time(rows_of(times, std::vector<int64_t>(60, 1)), "event_time", "label", 0.7);
    ASSERT_TRUE(split.ok());
    EXPECT_LT(split->train_times.last, split->test_times.first);
    EXPECT_EQ(split->train.rows() + split->test.rows(), 60);
    EXPECT_LE(split->train.rows(), 42);
  }
}

TEST(Split, BadInputIsRefused) {
  const data::Batch rows = rows_of({10, 10}, {1, 0});
  EXPECT_EQ(split_by_time(rows, "event_time", "label", 0.5).code(), Code::kInvalidArgument);
  EXPECT_EQ(split_by_time(rows, "event_time", "label", 0).code(), Code::kInvalidArgument);
  EXPECT_EQ(split_by_time(rows, "event_time", "label", 1.5).code(), Code::kInvalidArgument);
  EXPECT_EQ(split_by_time(rows, "id", "label", 0.5).code(), Code::kInvalidArgument);
  EXPECT_EQ(split_by_time(rows, "nosuch", "label", 0.5).code(), Code::kNotFound);
  EXPECT_EQ(split_by_time(rows, "event_time", "nosuch", 0.5).code(), Code::kNotFound);
  EXPECT_EQ(split_by_time(rows_of({}, {}), "event_time", "label", 1).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::learn
