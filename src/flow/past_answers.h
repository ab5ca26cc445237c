#pragma once

#include <span>
#include <vector>

#include "data/entity_key.h"
#include "flow/workspace.h"
#include "gold/contract.h"

namespace assay::flow {

/// What a view answered to each key at an instant that is past, from its steps table: the bits that
/// the online store answered with then, and that a training set has for that instant.
///
/// Shape   one answer a key, in their order.
/// Errors  kOutOfRange: the steps of that time are dropped (`keep`); those of steps_relation.
/// Cost    one pass over the steps up to `at` in the engine; one step a key in memory.
Result<std::vector<gold::FeatureValues>> past_answers(Workspace& workspace,
                                                      const gold::FeatureView& view,
                                                      std::span<const data::EntityKey> keys,
                                                      EventTime at);

}  // namespace assay::flow
