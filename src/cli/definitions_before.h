#pragma once

#include <memory>

#include "base/world.h"
#include "cli/command.h"
#include "flow/workspace.h"

namespace assay::cli {

/// The definitions that were served before those of a workspace, opened when they are first asked
/// for. The online store keeps their rows, as they were when they were replaced, until further
/// definitions are served.
///
/// Threads one thread at a time.
class DefinitionsBefore {
 public:
  /// Both must outlive this object.
  DefinitionsBefore(Invocation& invocation, flow::Workspace& now)
      : invocation_(invocation), now_(now) {}

  /// Errors  kNotFound: nothing was served before.
  Result<flow::Workspace*> get();

 private:
  Invocation& invocation_;
  flow::Workspace& now_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<World> world_;
  std::unique_ptr<flow::Workspace> workspace_;
};

}  // namespace assay::cli
