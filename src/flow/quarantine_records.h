#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "catalog/definitions.h"
#include "data/batch.h"
#include "flow/workspace.h"
#include "ingest/record.h"

namespace assay::flow {

/// The records that rows of a quarantine table hold, as their source gave them: one batch, or for
/// CSV one for each file part, since the header stands there. `received` is now. Records of a CSV
/// file that is gone are left out.
///
/// `rows` has the columns of quarantine_columns(), by position.
/// Errors  those of reading a CSV file's header; kUnavailable: the schema registry; kCancelled:
///         `stop` was set while it was waited for.
Result<std::vector<ingest::RecordBatch>> quarantined_records(Workspace& workspace,
                                                             const catalog::SourceDef& source,
                                                             const std::atomic<bool>* stop,
                                                             const data::Batch& rows);

/// The columns that quarantined_records() reads; `has_meta`: whether the table has `meta`.
std::string quarantine_columns(bool has_meta);

}  // namespace assay::flow
