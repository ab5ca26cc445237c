#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "catalog/aggregates.h"
#include "gold/view_fixture.h"

// For tests: every aggregate written down a second time, as plainly as it can be, and definitions
// made of them at random.

namespace assay::gold {

/// An aggregate over one column of the tests' table.
struct AggregateCase {
  catalog::Aggregate aggregate = catalog::Aggregate::kCount;
  std::string of;  // "" for rows
};
/// Every aggregate over every column that it takes.
std::vector<AggregateCase> all_aggregate_cases();
std::string name_of(const AggregateCase& one);

/// A value with what its row is ordered by: event time, known time, sequence.
struct OrderedValue {
  std::tuple<int64_t, int64_t, int64_t> order;
  data::Scalar value;
};
/// The aggregate of a feature over values of type `of`, nulls left out.
data::Scalar naive_aggregate_of(const catalog::FeatureDef& feature,
                                const data::Type& of,
                                const std::vector<OrderedValue>& values);

/// One feature of these, over 10 minutes, one hour and three hours, with a random parameter.
catalog::FeatureDef window_feature_of(Random& random,
                                      const AggregateCase& one,
                                      const std::string& where);
/// A view of these features, with the entity, slide and ttl of the tests' other views.
catalog::FeatureViewDef view_of(std::vector<catalog::FeatureDef> features);

/// Random rows with more ties and more numbers at the edges of their types.
std::vector<TestRow> random_edge_rows(Random& random, int64_t count);

/// What a view of window features answers.
Answer naive_answer_of(const catalog::FeatureViewDef& view,
                       const std::vector<TestRow>& rows,
                       const TestKey& key,
                       int64_t instant);

}  // namespace assay::gold
