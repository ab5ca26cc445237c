#pragma once

#include <memory>
#include <vector>

#include "cli/command.h"
#include "cli/definition_watch.h"
#include "cli/line_beside.h"
#include "cli/served_writer.h"
#include "cli/serving.h"
#include "flow/workspace.h"
#include "serve/feature_server.h"
#include "serve/repeated_call.h"
#include "serve/served_log.h"

namespace assay::cli {

/// Serves from the online store that the line of the same process writes: what `assay up --http`
/// does beside the line. What it serves, and the log of its answers, are looked after on a thread
/// of its own.
///
/// Threads one thread at a time.
class LineServer {
 public:
  /// Both must outlive this object.
  LineServer(Invocation& invocation, flow::Workspace& workspace)
      : invocation_(invocation), workspace_(workspace) {}
  ~LineServer() { stop(); }
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  /// The flags that start() goes by, without --http.
  static std::vector<Flag> flags();
  /// Listen where the user said; nothing to do when he did not. The workspace is the caller's until
  /// this returns: what everything in it is made for must be complete.
  ///
  /// Errors  kInvalidArgument: flags of a server without one, and those of Servers and served_log.
  Status start();
  /// Finish what is under way, and write what is logged of it.
  void stop();

 private:
  void look();

  Invocation& invocation_;
  flow::Workspace& workspace_;
  std::unique_ptr<flow::Workspace> log_workspace_;  // of the thread that writes the log
  std::unique_ptr<serve::ServedLog> log_;
  std::unique_ptr<ServedWriter> writer_;
  std::unique_ptr<LineBeside> line_;
  std::unique_ptr<serve::FeatureServer> features_;
  std::unique_ptr<DefinitionWatch> watch_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<serve::RepeatedCall> looks_;  // last: it ends before what it uses
};

}  // namespace assay::cli
