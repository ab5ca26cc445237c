#pragma once

#include <vector>

#include "flow/verify.h"
#include "gold/service_values.h"

namespace assay::flow {

/// The service without what is computed from requests.
gold::Service without_on_demand(const gold::Service& service);

/// A feature's value in a row of what the service read.
OfflineValue read_value(const gold::Service& service,
                        const gold::ServiceReading& reading,
                        int64_t row,
                        std::size_t feature);

/// A feature's value in a row of a training set with statuses.
OfflineValue set_value(const gold::Service& service,
                       const data::Batch& set,
                       int64_t row,
                       std::size_t feature);

/// Where a feature of the service as a whole differs: asked with the keys and the time of a row.
Difference where_asked(const gold::Service& service,
                       std::size_t feature,
                       const data::Batch& asked,
                       int64_t row,
                       const std::string& time_column);

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
