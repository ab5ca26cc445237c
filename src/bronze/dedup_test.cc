#include "bronze/dedup.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "bronze/naive_dedup.h"

namespace assay::bronze {
namespace {

constexpr TimeRange kAllTime{EventTime::min(), EventTime::max()};

DedupIndex open_index(int64_t dedup_for) {
  DedupIndex index(Duration{dedup_for});
  EXPECT_TRUE(index.load(table_of({}), {"id"}, kAllTime).ok());
  return index;
}

TEST(Dedup, SameKeyWithinReachIsADuplicate) {
  DedupIndex index = open_index(10);
  EXPECT_TRUE(index.accept("a", {100}, 1));
  EXPECT_FALSE(index.accept("a", {110}, 2));
  EXPECT_FALSE(index.accept("a", {90}, 3));
  EXPECT_TRUE(index.accept("a", {111}, 4));
  EXPECT_TRUE(index.accept("a", {89}, 5));
  EXPECT_TRUE(index.accept("b", {100}, 6));
}

TEST(Dedup, AReachOfZeroComparesInstants) {
  DedupIndex index = open_index(0);
  EXPECT_TRUE(index.accept("a", {-5}, 1));
  EXPECT_FALSE(index.accept("a", {-5}, 2));
  EXPECT_TRUE(index.accept("a", {-4}, 3));
  EXPECT_TRUE(index.accept("a", {-6}, 4));
}

TEST(Dedup, OnlyEarlierRecordsMakeDuplicates) {
  DedupIndex index(Duration{10});
  ASSERT_TRUE(index.load(table_of({{1, 100, 50}}), {"id"}, kAllTime).ok());
  EXPECT_TRUE(index.accept(key_bytes(1), {100}, 40));
  EXPECT_FALSE(index.accept(key_bytes(1), {100}, 60));
}

TEST(Dedup, MissingIsWhatHasNotBeenLoaded) {
  DedupIndex index(Duration{10});
  const TimeRange wanted[] = {{{0}, {100}}, {{200}, {300}}};
  EXPECT_EQ(index.missing(wanted), (std::vector<TimeRange>{{{0}, {100}}, {{200}, {300}}}));
  ASSERT_TRUE(index.load(table_of({}), {"id"}, {{50}, {220}}).ok());
  EXPECT_EQ(index.missing(wanted), (std::vector<TimeRange>{{{0}, {49}}, {{221}, {300}}}));
  ASSERT_TRUE(index.load(table_of({}), {"id"}, {{0}, {49}}).ok());
  ASSERT_TRUE(index.load(table_of({}), {"id"}, {{221}, {300}}).ok());
  EXPECT_TRUE(index.missing(wanted).empty());
}

TEST(Dedup, NeededRangesLeaveOutEmptyCenturies) {
  data::ColumnBuilder times(data::Type::kTimestamp);
  for (const int64_t time : {1'000'000, 5, 20, 1'000'015}) {
    times.append(time);
  }
  EXPECT_EQ(needed_ranges(*times.finish(), Duration{10}),
            (std::vector<TimeRange>{{{-5}, {30}}, {{999'990}, {1'000'025}}}));
  for (int64_t time = 0; time < 100; ++time) {
    times.append(time * (time < 50 ? 1'000 : 1'000'000));
  }
  const auto ranges = needed_ranges(*times.finish(), Duration{10});
  EXPECT_EQ(ranges.size(), 16U);
  EXPECT_EQ(ranges.front().first.micros, -10);
  EXPECT_EQ(ranges.back().last.micros, 99'000'010);
}

TEST(Dedup, ForgettingAndLoadingAgainChangesNoVerdict) {
  DedupIndex index(Duration{10});
  const std::vector<TestRecord> table = {{1, 100, 1}, {1, 500, 2}, {2, 100, 3}};
  ASSERT_TRUE(index.load(table_of(table), {"id"}, kAllTime).ok());
  const TimeRange kept[] = {{{400}, {600}}};
  index.keep_only(kept);
  EXPECT_EQ(index.size(), 1);
  const TimeRange wanted[] = {{{50}, {120}}};
  EXPECT_EQ(index.missing(wanted), (std::vector<TimeRange>{{{50}, {120}}}));
  ASSERT_TRUE(index.load(table_of({table[0], table[2]}), {"id"}, wanted[0]).ok());
  EXPECT_FALSE(index.accept(key_bytes(1), {105}, 10));
  EXPECT_FALSE(index.accept(key_bytes(1), {505}, 11));
  EXPECT_TRUE(index.accept(key_bytes(3), {105}, 12));
}

TEST(Dedup, AMissingColumnIsAnError) {
  DedupIndex index(Duration{10});
  EXPECT_EQ(index.load(table_of({}), {"nowhere"}, kAllTime).code(), Code::kInvalidArgument);
}

TEST(Dedup, AgreesWithTheNaiveTwinAndReplaysDecideAlike) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const auto dedup_for = static_cast<int64_t>(random() % 30);
    const auto span = static_cast<int64_t>(1 + random() % 400);
    NaiveDedup naive(dedup_for);
    DedupIndex index = open_index(dedup_for);
    for (int64_t sequence = 0; sequence < 300; ++sequence) {
      if (random() % 40 == 0) {  // a crash: all that is known comes from the table, in any order
        std::vector<TestRecord> table = naive.accepted();
        std::shuffle(table.begin(), table.end(), random);
        index = DedupIndex(Duration{dedup_for});
        ASSERT_TRUE(index.load(table_of(table), {"id"}, kAllTime).ok());
      }
      const TestRecord record{static_cast<int64_t>(random() % 4),
                              static_cast<int64_t>(random()) % span - span / 2,
                              sequence};
      ASSERT_EQ(index.accept(key_bytes(record.key), {record.time}, sequence), naive.accept(record));
    }
  }
}

TEST(Dedup, WhatIsForgottenAgainLeavesNoTrace) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr int64_t kDedupFor = 20;
  NaiveDedup naive(kDedupFor);
  DedupIndex index = open_index(kDedupFor);
  int64_t sequence = 0;
  const auto any_record = [&] {
    return TestRecord{
        static_cast<int64_t>(random() % 500), static_cast<int64_t>(random() % 400), sequence++};
  };
  for (int commit = 0; commit < 200; ++commit) {
    const int64_t size = index.size();
    for (auto count = random() % 40; count > 0; --count) {  // also over a growth of the table
      const TestRecord lost = any_record();
      (void)index.accept(key_bytes(lost.key), {lost.time}, lost.sequence);
    }
    index.forget_newest(size);
    ASSERT_EQ(index.size(), size);
    for (auto count = random() % 20; count > 0; --count) {
      const TestRecord record = any_record();
      ASSERT_EQ(index.accept(key_bytes(record.key), {record.time}, record.sequence),
                naive.accept(record));
    }
  }
}

TEST(Dedup, LoadingOnlyWhatIsNeededGivesTheSameVerdicts) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr int64_t kDedupFor = 20;
  NaiveDedup naive(kDedupFor);
  DedupIndex index(Duration{kDedupFor});
  std::vector<TestRecord> committed;
  int64_t sequence = 0;
  for (int commit = 0; commit < 300; ++commit) {
    std::vector<TestRecord> records;
    data::ColumnBuilder times(data::Type::kTimestamp);
    for (auto count = random() % 6; count > 0; --count) {
      const auto base = static_cast<int64_t>(random() % 3) * 5'000 + commit;
      records.push_back({static_cast<int64_t>(random() % 3),
                         base + static_cast<int64_t>(random() % 60),
                         sequence++});
      times.append(records.back().time);
    }
    const auto needed = needed_ranges(*times.finish(), Duration{kDedupFor});
    for (const TimeRange& range : index.missing(needed)) {
      std::vector<TestRecord> part;
      std::copy_if(committed.begin(),
                   committed.end(),
                   std::back_inserter(part),
                   [&](const TestRecord& each) {
                     return range.first.micros <= each.time && each.time <= range.last.micros;
                   });
      ASSERT_TRUE(index.load(table_of(part), {"id"}, range).ok());
    }
    for (const TestRecord& record : records) {
      const bool accepted = naive.accept(record);
      ASSERT_EQ(index.accept(key_bytes(record.key), {record.time}, record.sequence), accepted);
      if (accepted) {
        committed.push_back(record);
      }
    }
    if (random() % 10 == 0) {
      index.keep_only(needed);
    }
  }
}

}  // namespace
}  // namespace assay::bronze
