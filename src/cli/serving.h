#pragma once

#include <csignal>
#include <memory>
#include <string>

#include "cli/command.h"
#include "flow/workspace.h"
#include "serve/feature_server.h"
#include "serve/get.h"
#include "serve/grpc_server.h"
#include "serve/http_server.h"
#include "serve/serving_state.h"

namespace assay::cli {

/// A registered model with its service and scorer, ready to be asked.
///
/// Errors  kNotFound: not trained yet; kFailedPrecondition: the definitions changed since it was
/// trained.
Result<serve::ServingModel> serving_model(flow::Workspace& workspace, const std::string& model);

/// All services, views and trained models of a project. A model that cannot be served is left out
/// and told in the log.
Result<std::shared_ptr<const serve::ServingState>> serving_state(flow::Workspace& workspace);

/// "127.0.0.1:6566" or "6566", as the flag takes it.
///
/// Errors  kInvalidArgument.
Result<serve::HttpOptions> parse_address(const std::string& text, const std::string& flag);

/// A gRPC server beside the one of HTTP, when the user wants one.
struct GrpcBeside {
  std::unique_ptr<serve::GrpcServer> server;
  std::string address;  // "" for none

  void stop() const {
    if (server != nullptr) {
      server->stop();
    }
  }
};

/// Its flag.
Flag grpc_flag();
Flag access_flag();

/// Who may ask a server, as the file that --access names says it by now; everybody without one.
///
/// Threads one thread at a time.
class AccessFile {
 public:
  AccessFile(Invocation& invocation, serve::FeatureServer& server)
      : world_(invocation.world),
        server_(server),
        wanted_(invocation.arguments.has("access")),
        file_(invocation.arguments.get("access")) {}

  /// Read the file and let the server go by it.
  ///
  /// Errors  those of files and of Access::parse; the server goes on as before.
  Status look();
  /// The same later on: what is wrong is logged once.
  void look_again();

 private:
  World& world_;
  serve::FeatureServer& server_;
  bool wanted_;
  std::string file_;
  std::string known_;  // what the server goes by
  std::string failure_;
};

/// Listen where --grpc says.
Result<GrpcBeside> start_grpc(serve::FeatureServer& features, const Arguments& arguments);
/// The addresses, a line each, into the file that --address-file names.
Status write_addresses(Invocation& invocation, const std::string& http, const std::string& grpc);

/// Waits for SIGINT or SIGTERM. Made before any thread starts, so that only it takes them.
class StopWait {
 public:
  StopWait();
  /// Wait a second; true when a signal came.
  bool second();

 private:
  sigset_t signals_{};
};

/// One request row from a batch of one row.
serve::RequestRows request_row(const data::Batch& inputs);

}  // namespace assay::cli
