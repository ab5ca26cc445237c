#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "catalog/definitions.h"
#include "data/expression.h"
#include "gold/aggregate.h"

namespace assay::gold {

/// What one or more primitives read: the values of `of` in the rows where `where` is true.
struct Argument {
  int of = -1;     // into WindowPlan::expressions; -1: rows are counted, not values
  int where = -1;  // -1: all rows
  data::Type type = data::Type::kInt64;  // as states take the values: bytes for vectors
  bool operator==(const Argument&) const = default;
};

/// How one feature of one window is had from primitives.
struct WindowOutput {
  catalog::Aggregate aggregate = catalog::Aggregate::kCount;
  int window = 0;             // into WindowPlan::windows
  int value = 0;              // the primitive that it is made from; the count of a count
  int count = 0;              // primitive with the count of values, where a count decides
  int squares = 0;            // variance, stddev, skewness
  int cubes = 0;              // skewness
  double q = 0;               // quantile
  int64_t k = 1;              // last_n, top_k, top_k_counts
  bool can_overflow = false;  // a sum of integers
  data::Type type = data::Type::kInt64;
};

/// The features of a window view as few primitives, shared by all windows.
///
/// Threads immutable.
struct WindowPlan {
  std::vector<data::Expression> expressions;
  std::vector<Argument> arguments;
  std::vector<Primitive> primitives;
  std::vector<int64_t> windows;       // lengths in microseconds, ascending
  std::vector<WindowOutput> outputs;  // one per raw feature, in definition order
};

/// The values that one argument has in a batch of rows.
struct ArgumentColumn {
  data::ColumnPtr values;             // nullptr when rows are counted
  std::vector<uint8_t> counted;       // 1: the row counts
  bool all_count = true;              // every row does: none is excluded, none is null
  const double* reals = nullptr;      // the values, where they are float64
  const int64_t* integers = nullptr;  // the values, where they are int64

  /// Find these two.
  void look_at_values() {
    if (values != nullptr && values->type() == data::Type::kFloat64) {
      reals = values->values<double>().data();
    } else if (values != nullptr && values->type() == data::Type::kInt64) {
      integers = values->values<int64_t>().data();
    }
  }
};

/// Add the features that a definition stands for, one per window, to the plan.
///
/// Errors  kInvalidArgument: an expression that does not compile or is of the wrong type, a window
/// that
///         is not a multiple of the slide. Every message names the feature.
Status plan_window_feature(const catalog::FeatureDef& feature,
                           Duration slide,
                           const data::Schema& source,
                           WindowPlan* plan,
                           std::vector<data::Field>* fields);

/// Put windows in order once all features are planned.
void finish_plan(WindowPlan* plan);

/// Evaluate every argument over a batch of source rows.
Result<std::vector<ArgumentColumn>> evaluate_arguments(const WindowPlan& plan,
                                                       const data::Batch& rows);

}  // namespace assay::gold
