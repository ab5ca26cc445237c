#pragma once

#include "data/scalar.h"
#include "gold/folded_state.h"
#include "gold/window_plan.h"

namespace assay::gold {

/// Value of a feature from the states of the plan's primitives over its window's rows.
data::Scalar value_of(const WindowOutput& output, const FoldedStates& states);
/// Whether that value is null because it does not fit 64 bits.
bool overflows(const WindowOutput& output, const FoldedStates& states);

}  // namespace assay::gold
