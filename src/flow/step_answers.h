#pragma once

#include <cstdint>
#include <vector>

#include "data/asof_index.h"
#include "flow/answer_pieces.h"
#include "flow/step_rows.h"

// The two passes over a view's steps that give a training set its answers.

namespace assay::flow {

/// The step that answers each label: its place in StepRows, or -1.
struct StepsOfLabels {
  std::vector<int64_t> step;  // empty when there is none at all
  int64_t steps = 0;          // that were known by `last`
};

/// Sweep keys and times of all steps past the labels, the last of which is at `last`.
///
/// Errors  those of StepRows and AsofSweep::add.
/// Cost    memory: 32 bytes a label, and `rows_at_once` keys and times.
Result<StepsOfLabels> find_steps(const StepRows& steps,
                                 const std::vector<data::Field>& keys,
                                 const data::AsofIndex& index,
                                 EventTime last,
                                 int64_t rows_at_once);

/// Put aside the steps that answer labels: `columns`, made the types of `fields`.
///
/// Errors  those of StepRows and AnswerPieces::put; kInternal: there are fewer steps than before.
/// Cost    memory: 16 bytes a label, and what StepRows may have.
Status put_steps_aside(const StepRows& steps,
                       std::vector<int64_t> step_of_label,
                       const std::vector<StepColumn>& columns,
                       const std::vector<data::Field>& fields,
                       AnswerPieces& pieces);

}  // namespace assay::flow
