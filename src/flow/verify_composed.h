#pragma once

#include <vector>

#include "flow/verify.h"

namespace assay::flow {

/// Compare what a service answers as a whole, where it has derived features or looks up views with
/// computed keys: the source rows of all its views are replayed into one scratch store; at each
/// instant rows of keys that were seen are asked by the function that serves, and compared with the
/// training set of the same rows. Counts are added to the report; a service without such features
/// adds nothing. On-demand features are functions of these and of the request alone.
///
/// `instants`: ascending. Errors  those of reading tables.
/// Cost    all source rows of the service's views in memory, keys and read columns only.
Status verify_composed(Workspace& workspace,
                       const gold::Service& service,
                       const std::vector<EventTime>& instants,
                       const VerifyOptions& options,
                       VerifyReport* report);

}  // namespace assay::flow
