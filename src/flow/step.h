#pragma once

#include <string>
#include <vector>

#include "flow/run.h"

namespace assay::flow {

/// A stage of a table or view.
struct Step {
  using Stage = Result<StageAccount> (*)(Workspace&, const std::string&, const RunOptions&);

  Stage stage;
  std::string kind;  // "bronze", "silver", "gold", "online"
  std::string name;
  bool operator==(const Step&) const = default;
};

/// The steps of a project in an order in which each comes behind what it needs.
std::vector<Step> plan_steps(const catalog::Project& project);

/// Silver steps that may take each commit of a bronze table as it comes: their rows are of nothing
/// but it, and no check speaks of a whole run.
std::vector<Step> followers_of(const catalog::Project& project, const std::string& bronze);

/// Run one, and add what it did to `report` and to the metrics.
///
/// Errors  those of the stage, with the step's name; kCancelled: options.stop was set before.
Status run_step(Workspace& workspace,
                const Step& step,
                const RunOptions& options,
                RunReport* report);

}  // namespace assay::flow
