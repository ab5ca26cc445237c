// Random definitions over random rows: steps, cut steps, online rows, replayed rows, training sets,
// the naive twin and SQL on the embedded engine say the same, bit for bit.
//
//   ASSAY_FIRST_DEFINITION=4711 ASSAY_DEFINITIONS=1 gold_test --gtest_filter='RandomDefinitions.*'
//
// replays one; the slow test runs 10,000.

#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "gold/random_definition.h"
#include "gold/view_agreement.h"
#include "gold/view_sql.h"

namespace assay::gold {
namespace {

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* given = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

struct Compared {
  int64_t with_twin = 0;
  int64_t with_sql = 0;
};

/// What SQL says to the same questions.
void expect_sql_agrees(const AskedView& asked,
                       const std::vector<SqlAnswer>& answers,
                       Compared* compared) {
  for (std::size_t i = 0; i < asked.instants.size(); ++i) {
    ASSERT_EQ(answers[i].event_time.has_value(), asked.expected[i].event_time.has_value())
        << "SQL at " << asked.instants[i];
    if (!answers[i].event_time) {
      continue;
    }
    ASSERT_EQ(*answers[i].event_time, *asked.expected[i].event_time)
        << "event time in SQL at " << asked.instants[i];
    for (std::size_t f = 0; f < asked.view->features().size(); ++f) {
      const std::optional<data::Scalar>& theirs = answers[i].values[f];
      if (theirs) {
        ASSERT_EQ(exact_text(*theirs), exact_text(asked.expected[i].values[f]))
            << "SQL at " << asked.instants[i] << ", " << asked.view->features()[f].name;
        ++compared->with_sql;
      }
    }
  }
}

void expect_definition_agrees(data::SqlEngine& engine, uint64_t seed, Compared* compared) {
  const RandomDefinition made = random_definition(seed);
  SCOPED_TRACE("ASSAY_FIRST_DEFINITION=" + std::to_string(seed) + " ASSAY_DEFINITIONS=1\n" +
               describe(made));
  Result<FeatureViewPtr> view =
      FeatureView::compile(made.view.definition, made.view.entity, *test_schema());
  ASSERT_TRUE(view.ok()) << view.status().to_string();
  const auto random = seeded_random(seed);
  const ViewSql sql(made, **view);
  ASSERT_TRUE(engine.create_table("events", batch_of(made.rows)).ok());
  for (const TestKey& key : made.keys) {
    AskedView asked{
        made.view.definition, made.view.entity, *view, made.rows, key, made.instants, {}, {}};
    for (const int64_t instant : made.instants) {
      NaiveAnswer naive = naive_view_answer(made.view, made.rows, key, instant);
      asked.expected.push_back(std::move(naive.answer));
      asked.statuses.push_back(std::move(naive.statuses));
    }
    compared->with_twin += static_cast<int64_t>(made.instants.size() * (*view)->features().size());
    ASSERT_NO_FATAL_FAILURE(expect_all_agree(*random, asked))
        << "entity " << key.user << ", " << key.item;
    const Result<std::vector<SqlAnswer>> answers = sql.ask(engine, key);
    ASSERT_TRUE(answers.ok()) << answers.status().to_string();
    ASSERT_NO_FATAL_FAILURE(expect_sql_agrees(asked, *answers, compared))
        << "entity " << key.user << ", " << key.item;
  }
}

TEST(RandomDefinitions, AgreeWithTheTwinAndWithSqlInEveryUse) {
  const uint64_t first = number_from("ASSAY_FIRST_DEFINITION", 1);
  const uint64_t count = number_from("ASSAY_DEFINITIONS", 100);
  const auto engine = data::SqlEngine::open({}).value();
  Compared compared;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    ASSERT_NO_FATAL_FAILURE(expect_definition_agrees(*engine, seed, &compared));
  }
  std::printf("%llu definitions: %lld answers as the twin's in every use, %lld as SQL's\n",
              static_cast<unsigned long long>(count),
              static_cast<long long>(compared.with_twin),
              static_cast<long long>(compared.with_sql));
}

}  // namespace
}  // namespace assay::gold
