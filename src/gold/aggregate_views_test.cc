// The matrix {aggregate x type of its values} x {steps, online row, training set, cut and
// continued}, made from the table of aggregates, and views of random features; all against the
// naive twin.

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/slide.h"
#include "gold/aggregate_twin.h"
#include "gold/training_set.h"

namespace assay::gold {
namespace {

const TestKey kKey{"u0", 0};

/// Rows of one entity, so that few rows meet often.
std::vector<TestRow> rows_of_one(Random& random, int64_t count) {
  std::vector<TestRow> rows = random_edge_rows(random, count);
  for (TestRow& row : rows) {
    row.user = kKey.user;
    row.item = kKey.item;
  }
  return rows;
}

struct Asked {
  catalog::FeatureViewDef definition;
  FeatureViewPtr view;
  std::vector<TestRow> rows;
  std::vector<int64_t> instants;  // some of those where something may change

  [[nodiscard]] std::string expected(int64_t instant) const {
    return exact_text(naive_answer_of(definition, rows, kKey, instant));
  }
  [[nodiscard]] data::Batch steps(EventTime begin, EventTime end, const data::Batch& seed) const {
    return view->steps(batch_of(rows), seed, begin, end, 1).value();
  }
};

Asked ask(Random& random, std::vector<catalog::FeatureDef> features) {
  Asked asked;
  asked.definition = view_of(std::move(features));
  if (random.below(2) == 0) {
    asked.definition.slide = catalog::kContinuousSlide;
  }
  asked.view = compile_or_die(asked.definition);
  asked.rows = rows_of_one(random, 1 + static_cast<int64_t>(random.below(40)));
  const std::vector<int64_t> all = instants_of(random, asked.rows);
  for (const int64_t instant : all) {
    if (random.below(4) == 0) {
      asked.instants.push_back(instant);
    }
  }
  return asked;
}

void expect_steps_agree(const Asked& asked) {
  const data::Batch steps = asked.steps(EventTime::min(), EventTime::max(), data::Batch());
  for (const int64_t instant : asked.instants) {
    ASSERT_EQ(exact_text(answer_of_steps(*asked.view, steps, kKey, instant)),
              asked.expected(instant))
        << "steps at " << instant;
  }
}

void expect_cut_steps_agree(Random& random, const Asked& asked) {
  if (asked.instants.empty()) {
    return;
  }
  const EventTime cut{asked.instants[random.below(asked.instants.size())]};
  const data::Batch first = asked.steps(EventTime::min(), cut, data::Batch());
  const data::Batch seed =
      first.rows() == 0 ? data::Batch() : first.take(std::vector<int64_t>{first.rows() - 1});
  const data::Batch parts[] = {first, asked.steps(cut, EventTime::max(), seed)};
  const data::Batch whole = asked.steps(EventTime::min(), EventTime::max(), data::Batch());
  ASSERT_EQ(exact_text(data::concat(asked.view->steps_schema(), parts).value()), exact_text(whole))
      << "cut at " << cut.micros;
}

void expect_online_rows_agree(Random& random, const Asked& asked) {
  const std::vector<TestRow> mixed = shuffled(random, asked.rows);
  const data::Batch batch = batch_of(mixed);
  for (const int64_t now : asked.instants) {
    std::string row;
    for (std::size_t begin = 0; begin < mixed.size();) {
      std::vector<int64_t> selected;
      for (uint64_t count = 1 + random.below(9); count > 0 && begin < mixed.size(); --count) {
        selected.push_back(static_cast<int64_t>(begin++));
      }
      const EventTime until{now - static_cast<int64_t>(random.below(3)) * 90 * kMinute};
      ASSERT_TRUE(asked.view->update_online_row(batch, selected, until, &row).ok());
    }
    const FeatureValues read = asked.view->read_online_row(row, EventTime{now}).value();
    const Answer expected = naive_answer_of(asked.definition, asked.rows, kKey, now);
    const bool fresh =
        expected.event_time && now - *expected.event_time <= asked.definition.ttl->micros;
    for (std::size_t i = 0; i < read.values.size(); ++i) {
      ASSERT_EQ(exact_text(read.values[i]),
                exact_text(fresh ? expected.values[i]
                                 : data::Scalar::null(asked.view->features()[i].type)))
          << "online at " << now << ", " << asked.view->features()[i].name;
    }
  }
}

void expect_training_set_agrees(const Asked& asked) {
  catalog::ServiceDef definition;
  definition.name = "service";
  definition.items = {{asked.definition.name, {}, {}}};
  const auto service =
      compile_service(definition, {{asked.definition.name, asked.view}}, {}).value();
  data::BatchBuilder labels(data::make_schema({{"user", data::Type::kString, false},
                                               {"item", data::Type::kInt64, false},
                                               {"event_time", data::Type::kTimestamp, false}}));
  for (const int64_t instant : asked.instants) {
    labels.column(0).append_text(kKey.user);
    labels.column(1).append(kKey.item);
    labels.column(2).append(instant);
  }
  const StepsSource source = [&](const FeatureView&, EventTime, EventTime) {
    return Result<data::Batch>(asked.steps(EventTime::min(), EventTime::max(), data::Batch()));
  };
  TrainingSetOptions options;
  options.with_statuses = true;
  const data::Batch set = training_set(*service, labels.finish(), source, options).value();
  const std::vector<int64_t> all = [&] {
    std::vector<int64_t> rows(asked.rows.size());
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }();
  for (int64_t row = 0; row < set.rows(); ++row) {
    const int64_t now = asked.instants[static_cast<std::size_t>(row)];
    const Answer expected = naive_answer_of(asked.definition, asked.rows, kKey, now);
    const bool fresh =
        expected.event_time && now - *expected.event_time <= asked.definition.ttl->micros;
    std::string online;
    ASSERT_TRUE(
        asked.view->update_online_row(batch_of(asked.rows), all, EventTime{now}, &online).ok());
    const FeatureValues read = asked.view->read_online_row(online, EventTime{now}).value();
    for (std::size_t i = 0; i < asked.view->features().size(); ++i) {
      const data::Field& field = asked.view->features()[i];
      ASSERT_EQ(set.find(field.name + "__status")->text(row), data::status_name(read.statuses[i]))
          << "status at " << now << ", " << field.name;
      ASSERT_EQ(exact_text(set.find(field.name)->scalar(row)),
                exact_text(fresh ? expected.values[i] : data::Scalar::null(field.type)))
          << "training set at " << now << ", " << field.name;
    }
  }
}

void expect_all_agree(Random& random, const Asked& asked) {
  ASSERT_NO_FATAL_FAILURE(expect_steps_agree(asked));
  ASSERT_NO_FATAL_FAILURE(expect_cut_steps_agree(random, asked));
  ASSERT_NO_FATAL_FAILURE(expect_online_rows_agree(random, asked));
  ASSERT_NO_FATAL_FAILURE(expect_training_set_agrees(asked));
}

class AggregateViews : public testing::TestWithParam<AggregateCase> {};

TEST_P(AggregateViews, HaveTheSameBitsInEveryUse) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto random = seeded_random(seed);
    const char* where = seed % 3 == 0 ? "flag" : "";
    ASSERT_NO_FATAL_FAILURE(
        expect_all_agree(*random, ask(*random, {window_feature_of(*random, GetParam(), where)})));
  }
}

INSTANTIATE_TEST_SUITE_P(Every,
                         AggregateViews,
                         testing::ValuesIn(all_aggregate_cases()),
                         [](const auto& one) { return name_of(one.param); });

TEST(AggregateViewsTogether, ManyRandomFeaturesOfOneViewShareTheirStatesAndDiffer) {
  const std::vector<AggregateCase> cases = all_aggregate_cases();
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto random = seeded_random(seed);
    std::vector<catalog::FeatureDef> features;
    for (int i = 0; i < 12; ++i) {
      const char* wheres[] = {"", "flag", "kind = 'a'"};
      features.push_back(
          window_feature_of(*random, cases[random->below(cases.size())], wheres[random->below(3)]));
      features.back().name += "_" + std::to_string(i);
    }
    ASSERT_NO_FATAL_FAILURE(expect_all_agree(*random, ask(*random, std::move(features))));
  }
}

}  // namespace
}  // namespace assay::gold
