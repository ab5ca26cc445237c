#pragma once

#include <optional>
#include <string>

#include "flow/workspace.h"

namespace assay::flow {

/// A steps table at a version, and the instant that it is asked for.
struct StepsAt {
  lake::Version version = -1;
  EventTime as_of;
};

/// The entities for which a steps table answers other than before: what the newest step up to
/// `now.as_of` is, where it is another one than the newest step up to `before.as_of` was at the
/// version before. Work goes by the files that differ, not by the table's size.
///
/// Shape   SQL text; one row an entity, in the order of keys: the steps' columns without
///         feature_date, and `is_gone`, true where there is no such step (or one that says so, of a
///         table of changes); its columns but the keys are null then. Without `before` all entities
///         that have a step. The text may be run until the next call.
/// Time    before.as_of <= now.as_of.
/// Errors  kOutOfRange: version or files of `before` are gone; those of the lake.
Result<std::string> changed_steps(Workspace& workspace,
                                  const gold::FeatureView& view,
                                  const std::string& table_key,
                                  const std::optional<StepsAt>& before,
                                  const StepsAt& now);

/// Columns of changed_steps() that are of the steps.
std::vector<std::string> step_names(const gold::FeatureView& view);
inline constexpr char kIsGone[] = "is_gone";

}  // namespace assay::flow
