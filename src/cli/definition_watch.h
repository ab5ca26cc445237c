#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "catalog/catalog_store.h"
#include "cli/command.h"
#include "flow/workspace.h"
#include "serve/serving_state.h"

namespace assay::cli {

/// All services, views and trained models of a project. A model that cannot be served is told in
/// the log, and to those who ask it.
Result<std::shared_ptr<const serve::ServingState>> serving_state(flow::Workspace& workspace);

/// Looks for newer definitions for which everything was made, and for models that were trained or
/// promoted, and hands over what is served then, as a whole.
///
/// Threads one thread at a time, another one than the workspace's if need be.
class DefinitionWatch {
 public:
  using Take = std::function<void(std::shared_ptr<const serve::ServingState>)>;

  /// To be made before the state that is served in the beginning: what changes between the two is
  /// seen. `version` is of the complete definitions that `workspace` has, which must outlive this.
  DefinitionWatch(Invocation& invocation,
                  flow::Workspace& workspace,
                  std::optional<int64_t> version);

  /// The state by now.
  Result<std::shared_ptr<const serve::ServingState>> state(flow::Workspace& workspace);
  /// Hand over the newer state, when there is one. What cannot be served is said once, and tried
  /// again with the next look.
  void look(const Take& take);

 private:
  using Versions = std::map<std::string, catalog::ServedVersion>;
  /// What a state is made of.
  struct Seen {
    std::optional<int64_t> version;
    Versions models;
    bool operator==(const Seen&) const = default;
  };

  Result<Seen> seen();
  Status replace(const Seen& newest, const Take& take);

  Invocation& invocation_;
  catalog::CatalogStore& catalog_;
  Seen seen_;  // that was handed over last
  std::shared_ptr<const serve::ServingState> state_;
  std::string failure_;
};

}  // namespace assay::cli
