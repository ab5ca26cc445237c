#pragma once

#include <vector>

#include "data/account.h"
#include "data/entity_key.h"
#include "flow/gold_task.h"

namespace assay::flow {

/// What changes online when rows of a view's source were replaced or taken back.
struct OnlineChanges {
  data::Batch rows;                   // view->source_columns(), in order of sequence
  std::vector<data::EntityKey> anew;  // entities whose rows are made anew, from `rows` alone
  data::Account account;
};

/// Whether a view is of latest features alone: it takes rows one by one, in any order.
bool takes_rows_one_by_one(Workspace& workspace, const gold::FeatureView& view);

/// Rows that belong to no entity: a key of theirs is null.
int64_t rows_without_entity(const gold::FeatureView& view, const data::Batch& rows);

/// The view's columns of `relation`, which has no table of changes, as a statement.
std::string select_online_rows(Workspace& workspace,
                               const gold::FeatureView& view,
                               const std::string& relation,
                               const std::string& where);

/// New rows of a table of changes. An entity with a row that a new version replaces is made anew
/// from all its rows; into the others the new rows are folded.
///
/// `snapshot`: the source as it stood with `added`. Cost one pass over its keys and times.
Result<OnlineChanges> online_versions(Workspace& workspace,
                                      const gold::FeatureView& view,
                                      lake::DeltaTable& source,
                                      const lake::Snapshot& snapshot,
                                      const std::vector<lake::DataFile>& added);

/// Changes among which the source took rows back (a DELETE, an UPDATE, a MERGE, an erasure):
/// entities of the rows that went and came are made anew from the newest rows.
///
/// Cost  one pass over the changed files, and one over the source.
Result<OnlineChanges> online_taken_back(Workspace& workspace,
                                        const gold::FeatureView& view,
                                        lake::DeltaTable& source,
                                        const lake::Snapshot& snapshot,
                                        const std::vector<lake::FileChange>& changes);

}  // namespace assay::flow
