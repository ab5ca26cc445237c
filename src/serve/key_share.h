#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/scalar.h"
#include "gold/service.h"
#include "serve/get.h"

namespace assay::serve {

/// The values of a service's entity keys in one row of a request; empty when one was not asked
/// with.
std::vector<data::Scalar> keys_of(const gold::Service& service,
                                  const RequestRows& rows,
                                  int64_t row);

/// Where an entity stands in [0, 1), by a hash of its key: on every server at the same place, and
/// with another `seed` at one that has nothing to do with it. Nothing for what is no key.
std::optional<double> place_of(const std::vector<data::Scalar>& keys, uint64_t seed);

}  // namespace assay::serve
