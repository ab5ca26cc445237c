#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flow/workspace.h"

namespace assay::flow {

/// What becomes of a row; of several tables that read it the largest counts.
enum class PushFate { kAccepted, kDropped, kQuarantined };

/// What bronze will make of one row.
struct PushVerdict {
  PushFate fate = PushFate::kAccepted;
  std::string table;   // the bronze table that does not take it; "" when all that read it do
  std::string reason;  // of quarantine: data::reason_name
  std::string column;  // or check; may be empty
};

/// Judge rows for a source of JSON lines as its bronze tables will when they read them: decoding,
/// times, contract, row checks, and duplicates within the push. Whether a row is a duplicate of an
/// earlier one is known only to the table. Nothing is written.
///
/// Shape   one verdict a line, in their order.
/// Errors  kFailedPrecondition: a check with `on_fail: fail`.
Result<std::vector<PushVerdict>> judge_push(Workspace& workspace,
                                            const std::string& source,
                                            std::string_view json_lines);

}  // namespace assay::flow
