#include "data/asof_join.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <random>
#include <tuple>

#include <gtest/gtest.h>

namespace assay::data {
namespace {

constexpr int64_t kNull = std::numeric_limits<int64_t>::min() + 7;

ColumnPtr column_of(Type type, const std::vector<int64_t>& values) {
  ColumnBuilder builder(type);
  for (const int64_t value : values) {
    if (value == kNull) {
      builder.append_null();
    } else if (type == Type::kString) {
      // Short texts are packed into codes, long ones are hashed: have both.
      builder.append_text(value % 2 == 0 ? "u" + std::to_string(value)
                                         : "a longer user name " + std::to_string(value));
    } else if (type == Type::kInt32) {
      builder.append(static_cast<int32_t>(value));
    } else if (type == Type::kBool) {
      builder.append<uint8_t>(value % 2 != 0);
    } else {
      builder.append(value);
    }
  }
  return builder.finish();
}

/// A join's input as plain vectors; each key column has one vector.
struct Question {
  std::vector<Type> key_types = {Type::kInt64};
  std::vector<std::vector<int64_t>> label_keys;
  std::vector<int64_t> label_times;
  std::vector<std::vector<int64_t>> row_keys;
  std::vector<int64_t> events;
  std::vector<int64_t> knowns;
  std::vector<int64_t> sequences;  // empty: none given
  std::optional<Duration> ttl;
};

Result<AsofMatch> ask(const Question& q, int threads = 1) {
  std::vector<ColumnPtr> held;
  const auto hold = [&](Type type, const std::vector<int64_t>& values) {
    held.push_back(column_of(type, values));
    return held.back().get();
  };
  AsofLabels labels;
  AsofRows rows;
  for (std::size_t i = 0; i < q.label_keys.size(); ++i) {
    labels.keys.push_back(hold(q.key_types[i], q.label_keys[i]));
    rows.keys.push_back(hold(q.key_types[i], q.row_keys[i]));
  }
  labels.time = hold(Type::kTimestamp, q.label_times);
  rows.event_time = hold(Type::kTimestamp, q.events);
  rows.known_time = hold(Type::kTimestamp, q.knowns);
  if (!q.sequences.empty()) {
    rows.sequence = hold(Type::kInt64, q.sequences);
  }
  return asof_join(labels, rows, {.ttl = q.ttl, .threads = threads});
}

/// The definition, row by row.
AsofMatch naive_asof_join(const Question& q) {
  AsofMatch match;
  for (std::size_t label = 0; label < q.label_times.size(); ++label) {
    const int64_t t = q.label_times[label];
    int64_t best = -1;
    std::tuple<int64_t, int64_t, int64_t, int64_t> best_order;
    for (std::size_t row = 0; row < q.events.size() && t != kNull; ++row) {
      bool matches = q.events[row] != kNull && q.knowns[row] != kNull;
      for (std::size_t i = 0; i < q.label_keys.size(); ++i) {
        matches =
            matches && q.label_keys[i][label] == q.row_keys[i][row] && q.row_keys[i][row] != kNull;
      }
      if (!matches || q.events[row] > t || q.knowns[row] > t) {
        continue;
      }
      const auto number = static_cast<int64_t>(row);
      const std::tuple order{
          q.events[row], q.knowns[row], q.sequences.empty() ? number : q.sequences[row], number};
      if (best < 0 || order > best_order) {
        best = number;
        best_order = order;
      }
    }
    if (best >= 0 && q.ttl && t - std::get<0>(best_order) > q.ttl->micros) {
      match.rows.push_back(-1);
      match.statuses.push_back(FeatureStatus::kOutsideMaxAge);
    } else {
      match.rows.push_back(best);
      match.statuses.push_back(best < 0 ? FeatureStatus::kNotFound : FeatureStatus::kPresent);
    }
  }
  return match;
}

void expect_naive(const Question& q, int threads = 1) {
  const auto match = ask(q, threads);
  ASSERT_TRUE(match.ok()) << match.status().to_string();
  const AsofMatch expected = naive_asof_join(q);
  ASSERT_EQ(match->rows, expected.rows);
  ASSERT_EQ(match->statuses, expected.statuses);
}

struct Sizes {
  int labels = 100;
  int rows = 300;
  int keys = 10;
  int times = 50;  // few: many ties
  double nulls = 0.02;
  bool sorted = false;  // rows come in order of visible time
};

Question random_question(uint64_t seed, const std::vector<Type>& key_types, const Sizes& sizes) {
  std::mt19937_64 random(seed);
  const auto below = [&](int end) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(end));
  };
  const auto maybe_null = [&](int64_t value) {
    return static_cast<double>(below(1'000'000)) < sizes.nulls * 1e6 ? kNull : value;
  };
  Question q;
  q.key_types = key_types;
  q.label_keys.resize(key_types.size());
  q.row_keys.resize(key_types.size());
  for (int i = 0; i < sizes.labels; ++i) {
    q.label_times.push_back(maybe_null(below(sizes.times)));
    for (auto& keys : q.label_keys) {
      keys.push_back(maybe_null(below(sizes.keys)));
    }
  }
  for (int i = 0; i < sizes.rows; ++i) {
    const int64_t event = sizes.sorted ? int64_t{i} * sizes.times / sizes.rows : below(sizes.times);
    q.events.push_back(maybe_null(event));
    // A third is known at once, the rest later, some much later.
    q.knowns.push_back(
        maybe_null(event + (sizes.sorted || below(3) == 0 ? 0 : below(below(2) == 0 ? 5 : 60))));
    q.sequences.push_back(below(3));
    for (auto& keys : q.row_keys) {
      keys.push_back(maybe_null(below(sizes.keys)));
    }
  }
  if (seed % 2 == 0) {
    q.sequences.clear();
  }
  if (seed % 3 != 0) {
    q.ttl = Duration{below(20)};
  }
  return q;
}

TEST(AsofJoin, AgreesWithTheDefinitionOnRandomTables) {
  const std::vector<std::vector<Type>> key_types = {{Type::kInt64},
                                                    {Type::kString},
                                                    {Type::kInt32},
                                                    {Type::kBool},
                                                    {Type::kTimestamp},
                                                    {},
                                                    {Type::kInt64, Type::kString},
                                                    {Type::kString, Type::kString, Type::kInt32}};
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Sizes sizes;
    sizes.labels = seed % 5 == 0 ? 5 : 100;  // few labels: rows are filtered, and scanned unsorted
    sizes.keys = seed % 7 == 0 ? 200 : 10;
    sizes.sorted = seed % 4 == 1;
    const auto& types = key_types[seed % key_types.size()];
    if (types == std::vector<Type>{Type::kBool}) {
      sizes.keys = 2;
    }
    expect_naive(random_question(seed, types, sizes), static_cast<int>(seed % 4) + 1);
  }
}

TEST(AsofJoin, AnswerDoesNotDependOnThreads) {
  // Large enough for several parts and threads.
  Sizes sizes{.labels = 60'000, .rows = 120'000, .keys = 3'000, .times = 10'000};
  for (const std::vector<Type>& types : {std::vector<Type>{Type::kInt64},
                                         std::vector<Type>{Type::kString},
                                         std::vector<Type>{Type::kInt64, Type::kInt64}}) {
    const Question q = random_question(11, types, sizes);
    const auto one = ask(q, 1);
    ASSERT_TRUE(one.ok());
    EXPECT_GT(std::count(one->statuses.begin(), one->statuses.end(), FeatureStatus::kPresent), 0);
    for (int threads = 2; threads <= 4; ++threads) {
      const auto many = ask(q, threads);
      ASSERT_TRUE(many.ok());
      EXPECT_EQ(many->rows, one->rows);
      EXPECT_EQ(many->statuses, one->statuses);
    }
  }
}

TEST(AsofJoin, LargeTableAgreesWithTheDefinition) {
  Sizes sizes{.labels = 1'000, .rows = 12'000, .keys = 200, .times = 3'000};
  expect_naive(random_question(17, {Type::kInt64}, sizes), 2);
  expect_naive(random_question(19, {Type::kString}, sizes), 3);
  sizes.labels = 15'000;  // the side of labels is the larger one
  sizes.rows = 1'000;
  expect_naive(random_question(23, {Type::kInt64}, sizes), 2);
}

TEST(AsofJoin, RowKnownLaterIsNotSeenBefore) {
  Question q;
  q.label_keys = {{1, 1, 1}};
  q.label_times = {9, 10, 20};
  q.row_keys = {{1, 1}};
  q.events = {5, 8};
  q.knowns = {5, 20};
  const auto match = ask(q);
  ASSERT_TRUE(match.ok());
  EXPECT_EQ(match->rows, (std::vector<int64_t>{0, 0, 1}));
}

TEST(AsofJoin, LateOlderRowDoesNotHideTheNewest) {
  Question q;
  q.label_keys = {{1}};
  q.label_times = {100};
  q.row_keys = {{1, 1}};
  q.events = {50, 40};
  q.knowns = {50, 90};
  EXPECT_EQ(ask(q)->rows, std::vector<int64_t>{0});
}

TEST(AsofJoin, EqualTimesPickTheLargerSequenceThenTheLaterRow) {
  Question q;
  q.label_keys = {{1}};
  q.label_times = {100};
  q.row_keys = {{1, 1, 1}};
  q.events = {50, 50, 50};
  q.knowns = {60, 60, 60};
  q.sequences = {2, 9, 1};
  EXPECT_EQ(ask(q)->rows, std::vector<int64_t>{1});
  q.sequences = {9, 9, 1};
  EXPECT_EQ(ask(q)->rows, std::vector<int64_t>{1});
  q.sequences.clear();
  EXPECT_EQ(ask(q)->rows, std::vector<int64_t>{2});
}

TEST(AsofJoin, TtlIsMeasuredAgainstTheNewestVisibleRowInclusive) {
  Question q;
  q.label_keys = {{1, 1}};
  q.label_times = {110, 111};
  q.row_keys = {{1}};
  q.events = {100};
  q.knowns = {105};
  q.ttl = Duration{10};
  const auto match = ask(q);
  ASSERT_TRUE(match.ok());
  EXPECT_EQ(match->rows, (std::vector<int64_t>{0, -1}));
  EXPECT_EQ(match->statuses, (std::vector{FeatureStatus::kPresent, FeatureStatus::kOutsideMaxAge}));
}

TEST(AsofJoin, ExtremeTimesDoNotOverflow) {
  Question q;
  q.label_keys = {{1}};
  q.label_times = {std::numeric_limits<int64_t>::max()};
  q.row_keys = {{1}};
  q.events = {std::numeric_limits<int64_t>::min()};
  q.knowns = {std::numeric_limits<int64_t>::min()};
  q.ttl = Duration{std::numeric_limits<int64_t>::max()};
  EXPECT_EQ(ask(q)->statuses, std::vector{FeatureStatus::kOutsideMaxAge});
  q.ttl.reset();
  EXPECT_EQ(ask(q)->statuses, std::vector{FeatureStatus::kPresent});
}

TEST(AsofJoin, EmptySidesGiveNotFound) {
  Question q;
  q.label_keys = {{}};
  q.row_keys = {{1}};
  q.events = {1};
  q.knowns = {1};
  EXPECT_TRUE(ask(q)->rows.empty());
  q.label_keys = {{1}};
  q.label_times = {5};
  q.row_keys = {{}};
  q.events.clear();
  q.knowns.clear();
  EXPECT_EQ(ask(q)->statuses, std::vector{FeatureStatus::kNotFound});
}

TEST(AsofJoin, WrongColumnsAreInvalidArguments) {
  const ColumnPtr ints = column_of(Type::kInt64, {1, 2});
  const ColumnPtr times = column_of(Type::kTimestamp, {1, 2});
  const ColumnPtr texts = column_of(Type::kString, {1, 2});
  const ColumnPtr shorter = column_of(Type::kInt64, {1});
  ColumnBuilder doubles_builder(Type::kFloat64);
  doubles_builder.append(1.0);
  doubles_builder.append(2.0);
  const ColumnPtr doubles = doubles_builder.finish();
  const AsofLabels labels{.keys = {ints.get()}, .time = times.get()};
  const AsofRows rows{.keys = {ints.get()}, .event_time = times.get(), .known_time = times.get()};
  const auto code = [](const AsofLabels& l, const AsofRows& r, AsofOptions options = {}) {
    return asof_join(l, r, options).code();
  };
  EXPECT_EQ(code(labels, rows), Code::kOk);
  EXPECT_EQ(code({.keys = {}, .time = times.get()}, rows), Code::kInvalidArgument);
  EXPECT_EQ(code({.keys = {texts.get()}, .time = times.get()}, rows), Code::kInvalidArgument);
  EXPECT_EQ(code({.keys = {shorter.get()}, .time = times.get()}, rows), Code::kInvalidArgument);
  EXPECT_EQ(code({.keys = {ints.get()}, .time = ints.get()}, rows), Code::kInvalidArgument);
  EXPECT_EQ(code({.keys = {ints.get()}, .time = nullptr}, rows), Code::kInvalidArgument);
  EXPECT_EQ(code({.keys = {doubles.get()}, .time = times.get()},
                 {.keys = {doubles.get()}, .event_time = times.get(), .known_time = times.get()}),
            Code::kInvalidArgument);
  EXPECT_EQ(code(labels, {.keys = {ints.get()}, .event_time = times.get(), .known_time = nullptr}),
            Code::kInvalidArgument);
  EXPECT_EQ(code(labels, rows, {.ttl = Duration{-1}}), Code::kInvalidArgument);
}

TEST(AsofJoin, StatusesHaveTheirNames) {
  EXPECT_EQ(status_name(FeatureStatus::kPresent), "PRESENT");
  EXPECT_EQ(status_name(FeatureStatus::kNullValue), "NULL_VALUE");
  EXPECT_EQ(status_name(FeatureStatus::kNotFound), "NOT_FOUND");
  EXPECT_EQ(status_name(FeatureStatus::kOutsideMaxAge), "OUTSIDE_MAX_AGE");
}

}  // namespace
}  // namespace assay::data
