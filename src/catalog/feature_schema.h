#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/schema.h"

namespace assay::catalog {

/// Names of a feature's outputs: `clicks_1h`, `clicks_24h` for windows, its own name else.
std::vector<std::string> output_names(const FeatureDef& feature);
/// Names of all outputs of a view, in definition order.
std::vector<std::string> output_names(const FeatureViewDef& view);

/// Type of a feature's outputs.
///
/// `source`: the table it is made from. `features`: the view's latest and window features, and the
/// expressions before it.
/// Errors  kInvalidArgument: an expression that does not compile or of a type that the aggregate
/// does
///         not take; kNotFound: a missing column. `part` of the failure says under which key it is.
struct FeatureType {
  data::Type type = data::Type::kFloat64;
  Status status;
  std::string part;  // "of", "where", "expr" or "latest"
};
FeatureType feature_type(const FeatureDef& feature,
                         const data::Schema& source,
                         const data::Schema& features);

/// Output features of a view with their types, in definition order.
///
/// Errors  those of feature_type, with the feature's name.
Result<std::vector<data::Field>> feature_fields(const FeatureViewDef& view,
                                                const data::Schema& source);

}  // namespace assay::catalog
