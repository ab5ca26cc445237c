#pragma once

#include <vector>

#include "base/random.h"
#include "data/asof_join.h"
#include "gold/view_fixture.h"

// For tests: one view asked in every way it can be, each answer compared with == on bits with what
// the naive twin says. Failures are those of GoogleTest.

namespace assay::gold {

/// A view over some rows, one entity of theirs, and what it must answer.
struct AskedView {
  catalog::FeatureViewDef definition;
  catalog::EntityDef entity = test_entity();
  FeatureViewPtr view;
  std::vector<TestRow> rows;
  TestKey key;
  std::vector<int64_t> instants;  // sorted
  std::vector<Answer> expected;   // at each instant, but for its age
  /// Of each expected answer, by feature; empty: not compared, only with each other.
  std::vector<std::vector<data::FeatureStatus>> statuses;
};

/// The steps table at every instant, made at once; no two neighbours are alike; other orders and
/// threads make the same bytes.
void expect_steps_agree(Random& random, const AskedView& asked);
/// Steps cut at a random instant and continued.
void expect_cut_steps_agree(Random& random, const AskedView& asked);
/// The online row folded in random pieces, read at every instant.
void expect_online_rows_agree(Random& random, const AskedView& asked);
/// One online row that rows reach as they become visible, some earlier, read as time goes on.
void expect_replay_agrees(Random& random, const AskedView& asked);
/// Values and statuses of a training set.
void expect_training_set_agrees(const AskedView& asked);

void expect_all_agree(Random& random, const AskedView& asked);

}  // namespace assay::gold
