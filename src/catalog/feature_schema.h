#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/schema.h"

namespace assay::catalog {

/// The entity of a name, kNoEntity among them; nullptr when there is none.
const EntityDef* find_entity(const Project& project, const std::string& name);

/// `since: last_event`: the time of the entity's newest event.
inline constexpr char kLastEvent[] = "last_event";
/// `since: first_event`: the time of the entity's first event.
inline constexpr char kFirstEvent[] = "first_event";
/// `since: session_start`: the first event of the open session.
inline constexpr char kSessionStartTime[] = "session_start";
/// True for what is said of sessions.
bool is_of_session(SequenceValue value);
/// True for what reads `of`.
bool reads_value(SequenceValue value);
/// Type of the outputs; nothing when it is that of `of`.
std::optional<data::Type> sequence_type(SequenceValue value);

/// True for features computed from others or from the instant of the question.
bool is_computed(const FeatureDef& feature);
/// The column of the steps table that holds the time which a feature `since` counts from.
std::string since_column(const std::string& feature);

/// Names of a feature's outputs: `clicks_1h`, `clicks_24h` for windows, its own name else.
std::vector<std::string> output_names(const FeatureDef& feature);
/// The expression of one output of a computed feature, in the order of output_names().
std::string computed_expression(const FeatureDef& feature, std::size_t output);
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
  std::string part;  // "of", "where", "expr", "latest", "since" or the key of a sequence
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
