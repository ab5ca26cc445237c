#pragma once

#include <vector>

#include "flow/accounts.h"
#include "flow/retention.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

struct RunReport {
  std::vector<StageAccount> stages;  // in the order in which they ran
  double seconds = 0;
  std::vector<DroppedDays> dropped;  // what tables keep no longer
};

/// Read every source up to its present end, through bronze, silver and gold into the online store.
///
/// Stages run one after the other, lookups before the tables that use them, or side by side where
/// none needs the other's rows (options.side_by_side_rows). Each commits as it goes; a run that was
/// killed anywhere is gone on with by the next, and the tables end up equal, row for row.
/// Errors  kFailedPrecondition: another process runs this project; kCancelled: options.stop; a
///         source that ends in damage fails after everything before the damage has been committed.
Result<RunReport> run_all(Workspace& workspace, const RunOptions& options);

/// What run_all() does: every stage; or all but reading the sources that are followed without end.
enum class Steps { kAll, kFilesAndTables };

/// The stages in their order, each to the present end of what is before it. With a pace gold comes
/// last, when it is its turn.
Status run_steps(Workspace& workspace, const RunOptions& options, Steps steps, RunReport* report);

/// After the stages: drop what tables keep no longer, unless it is still to be read, and publish
/// those with `format: parquet`.
Status keep_tables(Workspace& workspace, RunReport* report, bool drops_days = true);

/// Count rows of a stage in the metrics.
void count_rows(Metrics& metrics, const StageAccount& account);
/// Add what a stage did to a report.
void merge_account(StageAccount account, RunReport* report);
void merge_account(StageAccount account, std::vector<StageAccount>* stages);
/// The same, and count it.
void add_account(Metrics& metrics, StageAccount account, RunReport* report);

/// Silver tables of a project, lookups before those that use them. Cycles are refused at
/// validation.
std::vector<std::string> silver_order(const catalog::Project& project);

}  // namespace assay::flow
