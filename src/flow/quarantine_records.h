#pragma once

#include <optional>
#include <vector>

#include "catalog/definitions.h"
#include "data/batch.h"
#include "flow/workspace.h"
#include "ingest/record.h"

namespace assay::flow {

/// The records that rows of a quarantine table hold, as their source gave them: one batch, or for
/// CSV one for each file part, since the header stands there. `received` is now.
///
/// `rows` has the columns of quarantine_columns(), by position.
/// Errors  those of reading a CSV file's header; kUnavailable: the schema registry.
Result<std::vector<ingest::RecordBatch>> quarantined_records(Workspace& workspace,
                                                             const catalog::SourceDef& source,
                                                             const data::Batch& rows);

/// The columns that quarantined_records() reads; `has_meta`: whether the table has `meta`.
std::string quarantine_columns(bool has_meta);

}  // namespace assay::flow
