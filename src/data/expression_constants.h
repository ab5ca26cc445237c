#pragma once

#include <vector>

#include "data/expression_kernels.h"
#include "data/expression_parser.h"

namespace assay::data {

/// What constant_kernel(kind) fills with; `literal` is of the kind, or null.
StepStatePtr constant_state(Literal literal, bool is_null);

/// x IN (constants): the state holds them sorted. `has_null` says that the list also has a null.
StepStatePtr in_set_state(ValueKind kind, const std::vector<Literal>& constants, bool has_null);
/// One input, NullRule::kOwn. No kFloat32.
Kernel in_set_kernel(ValueKind kind);

}  // namespace assay::data
