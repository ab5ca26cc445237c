#pragma once

#include <map>
#include <string>
#include <vector>

#include "catalog/definitions.h"
#include "data/asof_join.h"
#include "gold/random_expression.h"
#include "gold/view_fixture.h"

// For tests: what a view of any definition answers, written down as plainly as it can be.

namespace assay::gold {

/// A definition over the tests' table, with the meaning of every expression in it by its text.
struct NaiveView {
  catalog::FeatureViewDef definition;
  catalog::EntityDef entity;
  std::map<std::string, RandomExpression> expressions;
};

/// True for a row of that entity: its key columns are those of `key`, and none is null.
bool is_of_entity(const catalog::EntityDef& entity, const TestRow& row, const TestKey& key);

/// The value, with the one NaN there is for ours.
data::Scalar canonical(data::Scalar value);

/// The value of a column of the tests' table.
data::Scalar value_of(const TestRow& row, const std::string& column);

/// What is served but for its age: values, and their statuses while it is young enough.
struct NaiveAnswer {
  Answer answer;
  std::vector<data::FeatureStatus> statuses;
};
NaiveAnswer naive_view_answer(const NaiveView& view,
                              const std::vector<TestRow>& rows,
                              const TestKey& key,
                              int64_t instant);

}  // namespace assay::gold
