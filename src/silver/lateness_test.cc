#include "silver/lateness.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace assay::silver {
namespace {

data::ColumnPtr times_of(const std::vector<int64_t>& times) {
  data::ColumnBuilder builder(data::Type::kTimestamp);
  for (const int64_t time : times) {
    builder.append(time);
  }
  return builder.finish();
}

TEST(Lateness, ARowAtTheWatermarkIsInTime) {
  const auto split = split_late(*times_of({100, 90, 89, 120, 110, 109}), {10}, std::nullopt);
  EXPECT_EQ(split.on_time, (std::vector<int64_t>{0, 1, 3, 4}));
  EXPECT_EQ(split.late, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(split.newest, EventTime{120});
}

TEST(Lateness, StateGoesOnFromTheLastBatch) {
  const auto split = split_late(*times_of({50, 95}), {10}, EventTime{100});
  EXPECT_EQ(split.late, (std::vector<int64_t>{0}));
  EXPECT_EQ(split.newest, EventTime{100});
  EXPECT_EQ(split_late(*times_of({}), {10}, std::nullopt).newest, std::nullopt);
}

TEST(Lateness, TheBoundsOfTimeDoNotWrap) {
  const auto split = split_late(*times_of({INT64_MIN, INT64_MIN + 1}), {10}, std::nullopt);
  EXPECT_TRUE(split.late.empty());
}

TEST(Lateness, AgreesWithTheNaiveTwinHoweverRowsAreCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const auto allowed = static_cast<int64_t>(random() % 20);
    std::vector<int64_t> times(random() % 60);
    for (int64_t& time : times) {
      time = static_cast<int64_t>(random() % 80) - 40;
    }
    std::vector<int64_t> naive_late;
    for (std::size_t row = 1; row < times.size(); ++row) {
      const auto end = times.begin() + static_cast<std::ptrdiff_t>(row);
      if (times[row] < *std::max_element(times.begin(), end) - allowed) {
        naive_late.push_back(static_cast<int64_t>(row));
      }
    }
    std::optional<EventTime> newest;
    std::vector<int64_t> late;
    for (std::size_t begin = 0; begin < times.size();) {
      const std::size_t end = std::min<std::size_t>(times.size(), begin + 1 + random() % 15);
      const auto split = split_late(*times_of({times.begin() + static_cast<std::ptrdiff_t>(begin),
                                               times.begin() + static_cast<std::ptrdiff_t>(end)}),
                                    {allowed},
                                    newest);
      ASSERT_EQ(split.late.size() + split.on_time.size(), end - begin);
      for (const int64_t row : split.late) {
        late.push_back(row + static_cast<int64_t>(begin));
      }
      newest = split.newest;
      begin = end;
    }
    ASSERT_EQ(late, naive_late);
  }
}

}  // namespace
}  // namespace assay::silver
