#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flow/explain.h"
#include "flow/workspace.h"
#include "gold/service.h"

namespace assay::cli {

/// What `SERVICE:feature` or `VIEW:feature` names.
struct ExplainAsked {
  std::shared_ptr<const gold::Service> service;  // nullptr: a view was named
  std::string view;                              // the view, or on-demand view, that has it
  std::string feature;
  bool computed = false;  // from other values, or looked up with a computed key
};

/// Find out what was asked for.
///
/// Errors  kInvalidArgument: no such form; kNotFound: no such service, view or feature.
Result<ExplainAsked> parse_explain_asked(flow::Workspace& workspace, const std::string& word);

/// flow::explain_feature for a row of the view's keys.
Result<flow::Explanation> explain_row(flow::Workspace& workspace,
                                      const gold::FeatureView& view,
                                      const std::string& feature,
                                      const data::Batch& keys,
                                      EventTime at,
                                      const flow::ExplainBound& bound = {});
/// Inputs and features of `asked.service` at an instant, of which one is the computed feature that
/// was asked for. `inputs`: one row of service_inputs.
Result<std::vector<std::pair<std::string, data::Scalar>>> computed_values(
    flow::Workspace& workspace, const ExplainAsked& asked, const data::Batch& inputs, EventTime at);

/// As `assay explain --output json` prints the two.
std::string explanation_json(const flow::Explanation& explanation);
std::string values_json(const std::vector<std::pair<std::string, data::Scalar>>& values);

}  // namespace assay::cli
