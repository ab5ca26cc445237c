#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

/// The same of all entities that have a step, and of those that had one in earlier states (of this
/// table, or one of an earlier definition) and have none now. Entities with other keys than the
/// view's are not looked for.
///
/// Errors  kOutOfRange: a version or files are gone.
Result<std::string> all_steps(Workspace& workspace,
                              const gold::FeatureView& view,
                              const std::string& table_key,
                              const std::vector<std::pair<std::string, StepsAt>>& had,
                              const StepsAt& now);

/// SQL text: keys (select_keys()) of the entities that have a step in a state of a table of the
/// view, each once, in no order. Nothing where the table has other keys.
///
/// Errors  kOutOfRange: it is gone.
Result<std::optional<std::string>> entities_with_steps(Workspace& workspace,
                                                       const gold::FeatureView& view,
                                                       const std::string& table_key,
                                                       const StepsAt& at);

/// A version of a table with all of its files.
///
/// Errors  kOutOfRange: it cannot be read any more.
Result<std::shared_ptr<const lake::Snapshot>> state_at(Workspace& workspace,
                                                       lake::DeltaTable& table,
                                                       lake::Version version);

/// Columns of changed_steps() that are of the steps.
std::vector<std::string> step_names(const gold::FeatureView& view);
inline constexpr char kIsGone[] = "is_gone";

}  // namespace assay::flow
