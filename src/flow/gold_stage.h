#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"
#include "lake/delta_table.h"

namespace assay::flow {

/// Bring a view's steps table up to its source table's newest version.
///
/// The table holds final steps (before the frontier: no later row can change them) and one open
/// tail (what follows if nothing more arrives), which each commit replaces. Commits are atomic; a
/// run that was killed goes on where the last commit stands. Errors  those of the lake; kCancelled
/// when options.stop was asked for, after the last whole commit. Source
/// docs/decisions/0008-gold-frontier.md
Result<StageAccount> run_gold_stage(Workspace& workspace,
                                    const std::string& view,
                                    const RunOptions& options);

/// The steps of a view at one version of its table.
struct StepsRelation {
  std::string key;  // of the table
  int64_t version = 0;
  std::string sql;  // to stand after FROM: rows of steps_schema
  /// The same without feature_date, rows in the same order each time.
  std::string ordered_sql;
  /// The files with those rows and more, in that order, and what columns they have; nothing where
  /// only the SQL engine can read them.
  std::optional<std::vector<lake::DeltaTable::LocalFile>> files;
  data::SchemaPtr stored_schema;
};

/// Steps of a view that may answer questions up to `last`.
///
/// Errors  kFailedPrecondition: the table is not up to its source, and `last` is not before what is
/// final; kNotFound: no table yet.
Result<StepsRelation> steps_relation(Workspace& workspace,
                                     const gold::FeatureView& view,
                                     EventTime last);

/// Steps of a view that may answer questions up to `last`, from its steps table.
Result<data::Batch> read_steps(Workspace& workspace, const gold::FeatureView& view, EventTime last);

}  // namespace assay::flow
