#pragma once

#include <memory>
#include <string>

#include "flow/workspace.h"
#include "serve/get.h"
#include "serve/http_server.h"
#include "serve/serving_state.h"

namespace assay::cli {

/// A registered model with its service and scorer, ready to be asked.
///
/// Errors  kNotFound: not trained yet; kFailedPrecondition: the definitions changed since it was
/// trained.
Result<serve::ServingModel> serving_model(flow::Workspace& workspace, const std::string& model);

/// All services, views and trained models of a project. A model that cannot be served is left out
/// and told in the log.
Result<std::shared_ptr<const serve::ServingState>> serving_state(flow::Workspace& workspace);

/// "127.0.0.1:6566" or "6566", as the flag takes it.
///
/// Errors  kInvalidArgument.
Result<serve::HttpOptions> parse_address(const std::string& text, const std::string& flag);

/// One request row from a batch of one row.
serve::RequestRows request_row(const data::Batch& inputs);

}  // namespace assay::cli
