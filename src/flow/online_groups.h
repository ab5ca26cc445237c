#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "flow/online_changes.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Source versions (after, last] that are applied together: about `rows_max` rows.
struct VersionGroup {
  lake::Version last = -1;
  std::vector<lake::DataFile> files;
  std::vector<lake::FileChange> taken_back;  // all changes, when there are removals among them
};

int64_t rows_of(const VersionGroup& group);

/// The versions behind `done`, which is one. When rows were taken back among them, they are all one
/// group.
Result<std::vector<VersionGroup>> versions_after(lake::DeltaTable& source,
                                                 lake::Version done,
                                                 lake::Version newest,
                                                 int64_t rows_max);

/// All versions of a table that has only grown: of any other nothing, since what it holds now
/// counts.
Result<std::vector<VersionGroup>> versions_from_the_beginning(lake::DeltaTable& source,
                                                              const lake::Snapshot& newest,
                                                              int64_t rows_max);

/// A version of a table; none when it is not there, or its log is cleaned away.
Result<std::shared_ptr<const lake::Snapshot>> version_if_any(lake::DeltaTable& table,
                                                             lake::Version version);

/// Whether the lake still has every file of a version; those of the newest one it has.
Result<bool> has_all_files(Workspace& workspace,
                           const lake::DeltaTable& source,
                           const lake::Snapshot& snapshot,
                           const lake::Snapshot& newest);

/// Whether the log behind `done`, and every file that it names, are still there: where they are
/// not, versions_after() and read_group() fail for ever.
Result<bool> can_be_followed(Workspace& workspace,
                             lake::DeltaTable& source,
                             lake::Version done,
                             const lake::Snapshot& newest);

/// What a group changes online. `snapshot`: the source as it stood with it.
Result<OnlineChanges> read_group(Workspace& workspace,
                                 lake::DeltaTable& source,
                                 const lake::Snapshot& snapshot,
                                 const VersionGroup& group,
                                 const gold::FeatureView& view);

/// Reads what is next in a thread while what was read before is applied. Who made it does not use
/// the workspace's SQL engine and tables meanwhile.
class ReadAhead {
 public:
  explicit ReadAhead(std::function<Result<OnlineChanges>()> read)
      : thread_([this, read = std::move(read)] { changes_ = read(); }) {}
  Result<OnlineChanges> take() {
    thread_.join();
    return std::move(changes_);
  }

 private:
  Result<OnlineChanges> changes_ = OnlineChanges();
  std::jthread thread_;
};

}  // namespace assay::flow
