#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/workspace.h"

namespace assay::flow {

/// What bronze will make of one row.
struct PushVerdict {
  std::string table;   // the bronze table that refuses it; "" when all that read the source take it
  std::string reason;  // data::reason_name
  std::string column;  // or check; may be empty
};

/// Judge rows for a source of JSON lines as its bronze tables will when they read them: decoding,
/// times, contract and row checks. Whether a row is a duplicate is known only to the table. Nothing
/// is written.
///
/// Shape   one verdict a line, in their order.
/// Errors  kFailedPrecondition: a check with `on_fail: fail`.
Result<std::vector<PushVerdict>> judge_push(Workspace& workspace,
                                            const std::string& source,
                                            std::string_view json_lines);

}  // namespace assay::flow
