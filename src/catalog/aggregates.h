#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "catalog/definitions.h"

namespace assay::catalog {

/// What an aggregate takes besides `of`.
enum class AggregateParameter : uint8_t { kNone, kK, kQ };

/// The largest `k`: what a list holds, and a state of one entity.
inline constexpr int64_t kListMax = 1000;
/// The longest arrays that are summed: a state holds a sum for each element.
inline constexpr int kVectorSumMax = 4096;

/// What an aggregate's values may be.
enum class AggregateInput : uint8_t { kRows, kAny, kNumbers, kBool };

/// One aggregate, as users write it. Names are stored in the catalog and hashed: never rename.
struct AggregateInfo {
  Aggregate aggregate;
  std::string_view name;
  AggregateInput input = AggregateInput::kAny;
  AggregateParameter parameter = AggregateParameter::kNone;
  bool takes_vectors = false;  // also float32[n] and float64[n]
};

/// Every aggregate, in the order of the enumerators.
std::span<const AggregateInfo> aggregates();
const AggregateInfo& aggregate_info(Aggregate aggregate);
std::optional<Aggregate> aggregate_from_name(std::string_view name);

/// Type of an aggregate over values of type `of`; kRows takes none.
///
/// Errors  kInvalidArgument: the aggregate does not take such values.
Result<data::Type> aggregate_type(Aggregate aggregate, const data::Type& of);

}  // namespace assay::catalog
