#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flow/accounts.h"
#include "flow/workspace.h"

namespace assay::flow {

struct StageStatus {
  StageAccount account;              // over the whole history
  std::string position;              // "file 31", "version 7", "-" before the first run
  int64_t lag = 0;                   // files or versions not taken yet; of topics see topic_lag()
  std::optional<int64_t> kept_from;  // instant before which `keep` dropped rows or steps
};

/// Where each stage of a project stands. Reads only; nothing is made that is not there.
Result<std::vector<StageStatus>> project_status(Workspace& workspace);

/// The smallest version of a table at which a stage, the online store or a topic that is published
/// to stands, which goes on reading behind it: upkeep must leave what is behind it (`needed` of
/// lake::clean_log and lake::vacuum). Nothing: none has read any of it.
Result<std::optional<lake::Version>> oldest_position(Workspace& workspace, const std::string& key);

/// Versions of a table that topics were published from: of them every file is needed (`kept` of
/// lake::vacuum).
Result<std::vector<lake::Version>> published_versions(Workspace& workspace, const std::string& key);

/// How many records of its topics a bronze table does not have yet; nothing where the brokers do
/// not tell within `wait`, or none was ever read.
Result<std::optional<int64_t>> topic_lag(Workspace& workspace,
                                         const std::string& bronze,
                                         Duration wait);

/// How a view's online rows stand to its steps table.
struct ViewPlace {
  int64_t position = -1;    // of the online rows, encoded
  int64_t steps = -1;       // version of the source table that the steps table has
  int64_t reads_ahead = 0;  // before the lake: rows that no table has yet
  bool is_level = true;     // both are made of the same rows
  bool operator==(const ViewPlace&) const = default;
};
Result<ViewPlace> view_place(Workspace& workspace, const std::string& view);

/// How many versions of its source table added rows that a view's online rows do not have yet.
///
/// `store` holds the view: a server's own, when a process may open it once only.
Result<int64_t> online_lag(Workspace& workspace,
                           const std::string& view,
                           online::OnlineStore& store);

}  // namespace assay::flow
