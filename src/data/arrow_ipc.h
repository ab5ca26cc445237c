#pragma once

#include <string>

#include "base/status.h"
#include "data/batch.h"

namespace assay::data {

/// The first bytes of an Arrow IPC stream of batches with this schema.
///
/// Errors  kUnimplemented: a column whose type has no counterpart here, named.
/// Source  Apache Arrow, "Arrow Columnar Format", encapsulated messages
Result<std::string> arrow_ipc_schema(const SchemaPtr& schema);

/// One batch of the stream. Cost: one copy of its buffers.
Result<std::string> arrow_ipc_batch(const Batch& batch);

/// The stream's last bytes.
std::string arrow_ipc_end();

}  // namespace assay::data
