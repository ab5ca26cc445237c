#pragma once

#include <vector>

#include "base/random.h"
#include "data/batch.h"

// Random values of every type, for the tests of this room.

namespace assay::data {

/// Each type without children, and lists, arrays, structs and maps of several of them.
const std::vector<Type>& every_type();
/// A type of up to `depth` levels.
Type random_type(Random& random, int depth);
/// Null one time in four. Texts are UTF-8; times lie in years 0001 to 9999; no NaN.
Scalar random_scalar(Random& random, const Type& type);
/// A batch with one column for each type.
Batch random_batch(Random& random, const std::vector<Type>& types, int64_t rows);

}  // namespace assay::data
