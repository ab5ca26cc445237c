#pragma once

#include <string>
#include <vector>

#include "flow/workspace.h"

namespace assay::flow {

/// SQL text, in parentheses, of a table's rows that can be visible: `relation` itself; of a table
/// of changes its versions without the tombstones, with replaced_time: when the next version of the
/// key is known, null for the newest. `relation` must hold every version then.
///
/// Cost  of changes: one sort of the table by key, in the engine, which spills.
std::string visible_rows(const std::string& relation, bool of_changes);

/// Columns of a table as views and lookups read them: of a table of changes with replaced_time.
data::Schema visible_schema(const data::Schema& table);

/// Names of a view's key columns.
std::vector<std::string> key_names(const gold::FeatureView& view);

/// A condition of rows that have all of a view's keys.
std::string keys_not_null(const gold::FeatureView& view);

/// The keys for a SELECT list, and behind two relations that are joined by them. A view of the
/// whole population has no keys: one column stands for them, and everything joins.
std::string select_keys(const gold::FeatureView& view);
std::string join_by_keys(const gold::FeatureView& view);

/// Rows of the newest version of a table that can be visible; tombstones are none.
Result<data::Batch> read_visible(Workspace& workspace,
                                 const std::string& table,
                                 std::vector<std::string> columns,
                                 const std::string& where,
                                 const std::string& order);

}  // namespace assay::flow
