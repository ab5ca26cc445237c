// A second opinion on every aggregate: the same answers by SQL on the embedded engine, written from
// the definitions. Whole numbers, text and conditions must be equal; floating-point results, which
// SQL engines round on the way, nearly.

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/sql_engine.h"
#include "gold/aggregate_twin.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;
using catalog::FeatureDef;

/// Rows of few entities with numbers that SQL's own arithmetic can hold.
std::vector<TestRow> plain_rows(Random& random, int64_t count) {
  std::vector<TestRow> rows = random_rows(random, count);
  for (TestRow& row : rows) {
    if (row.amount) {
      row.amount = static_cast<double>(random.below(4000)) / 64.0 - 30.0;
    }
  }
  return rows;
}

/// Of arrays, element by element.
std::string vector_sql(const std::string& function, const std::string& x) {
  std::string elements;
  for (const char* place : {"[1]", "[2]"}) {
    elements += std::string(elements.empty() ? "" : ", ") + function + "(CAST(" + x + place +
                " AS DOUBLE))";
  }
  return "CASE WHEN count(" + x + ") > 0 THEN array_value(" + elements + ") END";
}

/// The aggregate over table w in SQL.
std::string sql_of(const FeatureDef& feature) {
  const std::string x = feature.of.empty() ? "1" : feature.of;
  const std::string number = "CAST(" + x + " AS DOUBLE)";
  const std::string order =
      "(" + x + " ORDER BY event_time, known_time, sequence) FILTER (WHERE " + x + " IS NOT NULL)";
  switch (feature.aggregate) {
    case Aggregate::kCount:
      return "count(" + x + ")";
    case Aggregate::kSum:
      if (feature.of == "point") {
        return vector_sql("sum", x);
      }
      return feature.of == "amount" || feature.of == "ratio"
                 ? "sum(" + number + ")"
                 : "CAST(sum(CAST(" + x + " AS BIGINT)) AS BIGINT)";
    case Aggregate::kMean:
      return feature.of == "point" ? vector_sql("avg", x) : "avg(" + number + ")";
    case Aggregate::kMin:
      return "min(" + x + ")";
    case Aggregate::kMax:
      return "max(" + x + ")";
    case Aggregate::kVariance:
      return "var_samp(" + number + ")";
    case Aggregate::kStddev:
      return "stddev_samp(" + number + ")";
    case Aggregate::kSkewness:
      return "skewness(" + number + ")";
    case Aggregate::kFirst:
      return "first" + order;
    case Aggregate::kLast:
      return "last" + order;
    case Aggregate::kMode:
      return "(SELECT " + x + " FROM w WHERE " + x + " IS NOT NULL GROUP BY 1 " +
             "ORDER BY count(*) DESC, 1 LIMIT 1)";
    case Aggregate::kDistinct:
    case Aggregate::kApproxDistinct:  // nearly
      return "count(DISTINCT " + x + ")";
    case Aggregate::kQuantile:
      return "quantile_disc(" + number + ", " + std::to_string(feature.q) + ")";
    case Aggregate::kLastN:
      return "list_slice(coalesce(list(" + x +
             " ORDER BY event_time DESC, known_time DESC, sequence DESC) FILTER (WHERE " + x +
             " IS NOT NULL), []), 1, " + std::to_string(feature.k) + ")";
    case Aggregate::kTopK:
    case Aggregate::kTopKCounts:
      return "(SELECT coalesce(list(" +
             std::string(feature.aggregate == Aggregate::kTopK ? "x" : "n") +
             " ORDER BY n DESC, x), []) FROM (SELECT " + x + " AS x, count(*) AS n FROM w WHERE " +
             x + " IS NOT NULL GROUP BY 1 ORDER BY n DESC, x LIMIT " + std::to_string(feature.k) +
             "))";
    case Aggregate::kHistogram: {
      const std::string size = "abs(" + number + ")";
      const std::string step = "pow(2, floor(log2(" + size + ")) - 7)";
      return "(SELECT coalesce(flatten(list([x, n] ORDER BY x)), []) FROM (SELECT CASE WHEN " +
             size + " = 0 THEN 0.0 ELSE sign(" + number + ") * floor(" + size + " / " + step +
             ") * " + step + " END AS x, CAST(count(*) AS DOUBLE) AS n FROM w WHERE " + x +
             " IS NOT NULL GROUP BY 1))";
    }
    case Aggregate::kAny:
      return "bool_or(" + x + ")";
    case Aggregate::kAll:
      return "bool_and(" + x + ")";
  }
  return "";
}

void expect_agree(const FeatureDef& feature, const data::Scalar& ours, const data::Scalar& theirs) {
  if (feature.aggregate == Aggregate::kApproxDistinct) {
    ASSERT_LE(std::abs(std::get<int64_t>(ours.value) - std::get<int64_t>(theirs.value)), 3);
    return;
  }
  const bool real = ours.type == data::Type::kFloat64;
  const bool both = !ours.is_null() && !theirs.is_null();
  if (!real || !both) {
    // A NaN is SQL's skewness of equal values; ours is null.
    const auto* nan = std::get_if<double>(&theirs.value);
    if (ours.is_null() && nan != nullptr && std::isnan(*nan)) {
      return;
    }
    ASSERT_EQ(exact_text(ours), exact_text(theirs)) << feature.name;
    return;
  }
  const double x = std::get<double>(ours.value);
  const double y = std::get<double>(theirs.value);
  const double error =
      feature.aggregate == Aggregate::kQuantile ? std::fabs(y) / 128 : 1e-9 * (1 + std::fabs(y));
  ASSERT_LE(std::fabs(x - y), error) << feature.name << ": " << x << " and in SQL " << y;
}

TEST(AggregateSql, AgreesOnEveryAggregateOverEveryColumn) {
  const auto engine = data::SqlEngine::open({}).value();
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto random = seeded_random(seed);
    std::vector<FeatureDef> features;
    for (const AggregateCase& one : all_aggregate_cases()) {
      features.push_back(window_feature_of(*random, one, ""));
      features.back().over = {{60 * kMinute}};
    }
    const catalog::FeatureViewDef definition = view_of(features);
    const FeatureViewPtr view = compile_or_die(definition);
    const std::vector<TestRow> rows = plain_rows(*random, 120);
    const data::Batch batch = batch_of(rows);
    ASSERT_TRUE(engine->create_table("events", batch).ok());
    const data::Batch steps =
        view->steps(batch, data::Batch(), EventTime::min(), EventTime::max(), 1).value();
    const std::vector<int64_t> instants = instants_of(*random, rows);
    for (int i = 0; i < 12; ++i) {
      const TestKey key = keys_of(rows).front();
      const int64_t now = instants[random->below(instants.size())];
      const Answer ours = answer_of_steps(*view, steps, key, now);
      if (!ours.event_time) {
        continue;
      }
      const std::string end = std::to_string(floor_to(now, kTestSlide));
      std::string list;
      for (const FeatureDef& feature : features) {
        list += (list.empty() ? "" : ", ") + sql_of(feature) + " AS " + feature.name;
      }
      const Result<data::Batch> theirs = engine->query(
          "WITH w AS (SELECT * FROM events WHERE \"user\" = '" + key.user + "' AND item = " +
          std::to_string(key.item) + " AND epoch_us(known_time) <= " + std::to_string(now) +
          " AND epoch_us(event_time) < " + end + " AND epoch_us(event_time) >= " + end + " - " +
          std::to_string(60 * kMinute) + ") SELECT " + list + " FROM w");
      ASSERT_TRUE(theirs.ok()) << theirs.status().to_string();
      for (std::size_t f = 0; f < features.size(); ++f) {
        ASSERT_NO_FATAL_FAILURE(expect_agree(
            features[f], ours.values[f], theirs->column(static_cast<int>(f)).scalar(0)));
      }
    }
  }
}

}  // namespace
}  // namespace assay::gold
