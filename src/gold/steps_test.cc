#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gold/contract.h"
#include "gold/view_fixture.h"

namespace assay::gold {
namespace {

class Steps : public testing::TestWithParam<TestView> {
 protected:
  Steps() : view(compile_or_die(definition_of(GetParam()))) {}

  [[nodiscard]] data::Batch all_steps(const std::vector<TestRow>& rows, int threads = 1) const {
    return view->steps(batch_of(rows), data::Batch(), EventTime::min(), EventTime::max(), threads)
        .value();
  }

  /// Of each entity its last step.
  [[nodiscard]] static data::Batch last_steps(const data::Batch& steps) {
    std::vector<int64_t> rows;
    for (int64_t row = 0; row < steps.rows(); ++row) {
      const bool same_as_next =
          row + 1 < steps.rows() &&
          steps.find("user")->text(row) == steps.find("user")->text(row + 1) &&
          steps.find("item")->scalar(row) == steps.find("item")->scalar(row + 1);
      if (!same_as_next) {
        rows.push_back(row);
      }
    }
    return steps.take(rows);
  }

  FeatureViewPtr view;
};

TEST_P(Steps, AnswerLikeTheNaiveTwinAtEveryInstant) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const auto random = seeded_random(seed);
    const std::vector<TestRow> rows =
        random_rows(*random, 1 + static_cast<int64_t>(random->below(60)));
    const data::Batch steps = all_steps(rows);
    for (const TestKey& key : keys_of(rows)) {
      for (const int64_t instant : instants_of(*random, rows)) {
        ASSERT_EQ(exact_text(answer_of_steps(*view, steps, key, instant)),
                  exact_text(naive_answer(*view, rows, key, instant)))
            << "seed " << seed << " key " << key.user << "," << key.item << " at " << instant;
      }
    }
  }
}

TEST_P(Steps, NoTwoNeighboursSayTheSame) {
  const auto random = seeded_random(7);
  const data::Batch steps = all_steps(random_rows(*random, 300));
  ASSERT_GT(steps.rows(), 100);
  std::string previous_line;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    std::string line;
    for (int column = 0; column < steps.column_count(); ++column) {
      const std::string& name = steps.schema().field(column).name;
      if (name != kKnownTime && name != kFeatureDate) {
        line += exact_text(steps.column(column).scalar(row)) + " ";
      }
    }
    ASSERT_NE(line, previous_line) << "row " << row;
    previous_line = line;
  }
}

TEST_P(Steps, AreSortedByKeyAndThenByTimeWithNoTimeTwice) {
  const auto random = seeded_random(8);
  const data::Batch steps = all_steps(random_rows(*random, 300));
  const auto known = steps.find(kKnownTime)->values<int64_t>();
  const auto event = steps.find(kEventTime)->values<int64_t>();
  std::string previous;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    const data::Scalar key[] = {steps.column(0).scalar(row), steps.column(1).scalar(row)};
    const std::string bytes = data::encode_key(key)->bytes();
    const auto at = static_cast<std::size_t>(row);
    ASSERT_LE(previous, bytes);
    if (previous == bytes) {
      ASSERT_LT(known[at - 1], known[at]);
      ASSERT_LE(event[at - 1], event[at]);
    }
    ASSERT_LE(event[at], known[at]);
    ASSERT_EQ(steps.find(kFeatureDate)->values<int32_t>()[at],
              floor_to(known[at], kMicrosPerDay) / kMicrosPerDay);
    previous = bytes;
  }
}

TEST_P(Steps, DoNotDependOnRowOrderOrThreads) {
  const auto random = seeded_random(9);
  std::vector<TestRow> rows = random_rows(*random, 6000);
  for (TestRow& row : rows) {
    row.user = "u" + std::to_string(random->below(50));
  }
  const std::string straight = exact_text(all_steps(rows));
  EXPECT_EQ(exact_text(all_steps(shuffled(*random, rows), 1)), straight);
  EXPECT_EQ(exact_text(all_steps(shuffled(*random, rows), 4)), straight);
}

TEST_P(Steps, RowsThatAreEqualInEveryTimeStillHaveOneOrder) {
  const auto random = seeded_random(10);
  std::vector<TestRow> rows = random_rows(*random, 40);
  for (TestRow& row : rows) {
    row.sequence = 0;
    row.event_time = kTestStart;
    row.known_time = kTestStart;
  }
  EXPECT_EQ(exact_text(all_steps(shuffled(*random, rows))), exact_text(all_steps(rows)));
}

TEST_P(Steps, CutAtAFrontierAndContinuedFromTheSeedAreTheSame) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const auto random = seeded_random(seed);
    const std::vector<TestRow> rows = random_rows(*random, 80);
    const std::vector<int64_t> instants = instants_of(*random, rows);
    const EventTime frontier{instants[random->below(instants.size())]};
    const data::Batch first =
        view->steps(batch_of(rows), data::Batch(), EventTime::min(), frontier, 1).value();
    // Only the rows that the contract asks for.
    const int64_t horizon = frontier.micros - view->window_max().micros - view->slide().micros;
    std::vector<TestRow> needed;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(needed), [&](const TestRow& row) {
      return row.event_time >= horizon ||
             std::max(row.event_time, row.known_time) >= frontier.micros;
    });
    const data::Batch second =
        view->steps(batch_of(needed), last_steps(first), frontier, EventTime::max(), 2).value();
    const data::Batch parts[] = {first, second};
    const data::Batch joined = data::concat(view->steps_schema(), parts).value();
    const data::Batch whole = all_steps(rows);
    ASSERT_EQ(joined.rows(), whole.rows()) << "seed " << seed << " frontier " << frontier.micros;
    ASSERT_EQ(data::content_hash(joined), data::content_hash(whole)) << "seed " << seed;
  }
}

TEST_P(Steps, WithoutASeedTheAnswerAtTheBeginningIsAStep) {
  const auto random = seeded_random(11);
  const std::vector<TestRow> rows = random_rows(*random, 60);
  const int64_t begin = kTestStart + 200 * kMinute;
  const data::Batch steps =
      view->steps(batch_of(rows), data::Batch(), EventTime{begin}, EventTime::max(), 1).value();
  for (const TestKey& key : keys_of(rows)) {
    for (const int64_t instant : instants_of(*random, rows)) {
      if (instant >= begin) {
        ASSERT_EQ(exact_text(answer_of_steps(*view, steps, key, instant)),
                  exact_text(naive_answer(*view, rows, key, instant)));
      }
    }
  }
}

TEST_P(Steps, NoRowsGiveNoSteps) {
  const data::Batch steps = all_steps({});
  EXPECT_EQ(steps.rows(), 0);
  EXPECT_TRUE(steps.schema() == *view->steps_schema());
}

TEST_P(Steps, RowsWithoutAColumnThatTheViewReadsAreRefused) {
  const data::Batch rows = batch_of({});
  for (const std::string& missing : view->source_columns()) {
    std::vector<std::string> names = rows.schema().names();
    names.erase(std::find(names.begin(), names.end(), missing));
    const Result<data::Batch> steps = view->steps(
        rows.select(names).value(), data::Batch(), EventTime::min(), EventTime::max(), 1);
    EXPECT_EQ(steps.code(), Code::kInvalidArgument) << missing;
  }
}

TEST_P(Steps, ASeedWithTwoRowsOfOneEntityIsRefused) {
  const auto random = seeded_random(12);
  const std::vector<TestRow> rows = random_rows(*random, 60);
  const Result<data::Batch> steps =
      view->steps(batch_of(rows), all_steps(rows), EventTime{kTestStart}, EventTime::max(), 1);
  EXPECT_EQ(steps.code(), Code::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Views, Steps, testing::ValuesIn(kTestViews), [](const auto& kind) {
  return name_of(kind.param);
});

}  // namespace
}  // namespace assay::gold
