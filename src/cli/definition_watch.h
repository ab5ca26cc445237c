#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/definitions_before.h"
#include "flow/workspace.h"
#include "serve/serving_state.h"

namespace assay::cli {

/// A registered model with its service and scorer, ready to be asked. One that was trained under
/// the definitions before these is asked with them: their rows stay in the online store until
/// further definitions are served.
///
/// Errors  kNotFound: not trained yet; kFailedPrecondition: it was trained under neither.
Result<serve::ServingModel> serving_model(flow::Workspace& workspace,
                                          const std::string& model,
                                          DefinitionsBefore* before = nullptr);

/// All services, views and trained models of a project. A model that cannot be served is told in
/// the log, and to those who ask it.
Result<std::shared_ptr<const serve::ServingState>> serving_state(
    flow::Workspace& workspace, DefinitionsBefore* before = nullptr);

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
  /// What a state is made of.
  struct Seen {
    std::optional<int64_t> version;
    std::map<std::string, std::string> models;  // what is served of each: "2 (production)"
    bool operator==(const Seen&) const = default;
  };

  Result<Seen> seen();
  Status replace(const Take& take);
  void tell(const Seen& newest);

  Invocation& invocation_;
  catalog::CatalogStore& catalog_;
  Seen seen_;  // that was handed over last
  std::string failure_;
};

}  // namespace assay::cli
