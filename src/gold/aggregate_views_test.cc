// The matrix {aggregate x type of its values} x {steps, online row, training set, cut and
// continued}, made from the table of aggregates, and views of random features; all against the
// naive twin.

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/slide.h"
#include "gold/aggregate_twin.h"
#include "gold/view_agreement.h"

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

AskedView ask(Random& random, std::vector<catalog::FeatureDef> features) {
  AskedView asked;
  asked.definition = view_of(std::move(features));
  if (random.below(2) == 0) {
    asked.definition.slide = catalog::kContinuousSlide;
  }
  asked.view = compile_or_die(asked.definition);
  asked.rows = rows_of_one(random, 1 + static_cast<int64_t>(random.below(40)));
  asked.key = kKey;
  for (const int64_t instant : instants_of(random, asked.rows)) {
    if (random.below(4) == 0) {
      asked.instants.push_back(instant);
      asked.expected.push_back(naive_answer_of(asked.definition, asked.rows, kKey, instant));
    }
  }
  return asked;
}

class AggregateViews : public testing::TestWithParam<AggregateCase> {};

TEST_P(AggregateViews, HaveTheSameBitsInEveryUse) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
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
