#pragma once

#include <string>

#include "flow/verify.h"

namespace assay::flow {

/// Key of the table that logs what a service served, as its views are defined now: "served/v1",
/// "served/v1_v2" after they changed.
Result<std::string> served_table_key(Workspace& workspace, const gold::Service& service);

/// Add answers (gold::served_schema) to the service's table, which is made when there is none.
///
/// Errors  those of served_schema and of the lake.
Status append_served(Workspace& workspace, const gold::Service& service, const data::Batch& rows);

struct ServedOptions {
  int64_t answers_max = 100'000;  // the newest so many
  int threads = 2;
};

/// Compare logged answers with the offline answers at their instants, bit for bit.
///
/// An answer that was served before a row had reached the store differs rightly from the offline
/// one, which has the row. So what differs is asked again of the source table's version that the
/// store had applied, and the one or two after it; when one of these gives the same bits, the value
/// counts as `behind`, not as differing.
/// Errors  kNotFound: no such service, or nothing was logged.
Result<VerifyReport> verify_served(Workspace& workspace,
                                   const std::string& service,
                                   const ServedOptions& options);

}  // namespace assay::flow
