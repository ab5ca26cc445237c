#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gold/naive_view.h"

// For tests: definitions of feature views made at random, with rows and questions that meet them at
// their edges.

namespace assay::gold {

struct RandomDefinition {
  uint64_t seed = 0;
  NaiveView view;
  std::vector<TestRow> rows;
  std::vector<TestKey> keys;      // to ask for; one may have no rows
  std::vector<int64_t> instants;  // sorted
  /// Numbers are few sixteenths, so that sums in SQL's doubles are exact in any order; NaN,
  /// infinities and -0.0 may be among them. Else they are anything.
  bool small_numbers = false;
};

/// The same for the same seed.
RandomDefinition random_definition(uint64_t seed);

/// The definition as JSON and the rows, for messages.
std::string describe(const RandomDefinition& made);

}  // namespace assay::gold
