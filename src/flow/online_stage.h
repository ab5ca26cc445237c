#pragma once

#include "flow/accounts.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Position of a view in the online store: which table it was made from and up to which version, so
/// that another table (of a changed definition) is never taken for the same one.
struct OnlinePosition {
  int64_t table_number = 1;  // 1 for "silver/x", 2 for "silver/x_v2"
  lake::Version version = -1;
  static OnlinePosition decode(int64_t position) {
    return {(position >> 40) + 1, position & 0xff'ffff'ffff};
  }
  [[nodiscard]] int64_t encode() const { return ((table_number - 1) << 40) | version; }
};
/// The number at the end of a table's key.
int64_t table_number(const std::string& table_key);

/// Bring a view's online rows up to its source table's newest version: rows and position in one
/// transaction a time, so that a killed run goes on where the store stands.
///
/// Errors  those of the lake and the store; kCancelled when options.stop was asked for.
Result<StageAccount> run_online_stage(Workspace& workspace,
                                      const std::string& view,
                                      const RunOptions& options);

}  // namespace assay::flow
