#include <csignal>

#include "cli/commands.h"
#include "cli/serving.h"
#include "serve/feature_server.h"
#include "serve/http_server.h"
#include "serve/predict.h"

namespace assay::cli {
namespace {

/// Lets a server answer from new definitions once everything that they name was made.
class DefinitionWatch {
 public:
  DefinitionWatch(Invocation& invocation, flow::Workspace& workspace, serve::FeatureServer& server)
      : invocation_(invocation),
        catalog_(workspace.catalog()),
        server_(server),
        version_(workspace.served_version()) {}

  /// Replace the server's state when there are newer complete definitions. What cannot be served
  /// leaves the old ones in place, and is said once.
  void look() {
    const Result<std::optional<int64_t>> newest =
        catalog_.complete_version(invocation_.arguments.get("profile"));
    if (!newest.ok() || !newest->has_value() || version_ == *newest) {
      return;
    }
    version_ = *newest;
    const Status replaced = replace();
    if (replaced.ok()) {
      invocation_.world.log.info("definitions_replaced", {{"version", *version_}});
    } else {
      invocation_.world.log.error("definitions_not_replaced",
                                  {{"version", *version_}, {"reason", replaced.to_string()}});
    }
  }

 private:
  Status replace() {
    ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation_));
    ASSAY_ASSIGN_OR_RETURN(auto state, serving_state(*workspace));
    server_.replace(std::move(state));
    return {};
  }

  Invocation& invocation_;
  catalog::CatalogStore& catalog_;
  serve::FeatureServer& server_;
  std::optional<int64_t> version_;
};

Status run_serve(Invocation& invocation) {
  // Blocked before any thread starts, so that only the wait below takes them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);

  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(serve::HttpOptions options,
                         parse_address(invocation.arguments.get("http")));
  ASSAY_ASSIGN_OR_RETURN(const int64_t threads, invocation.arguments.integer("threads", 0));
  options.threads = static_cast<int>(threads);
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace->online(true));
  ASSAY_ASSIGN_OR_RETURN(const auto state, serving_state(*workspace));
  serve::FeatureServer features(invocation.world, *store, state);
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<serve::HttpServer> server,
                         serve::start_http_server(invocation.world, features.handler(), options));
  const std::string address = options.host + ":" + std::to_string(server->port());
  const std::string& address_file = invocation.arguments.get("address-file");
  if (!address_file.empty()) {
    ASSAY_RETURN_IF_ERROR(invocation.world.files.write(address_file, address + "\n"));
  }
  invocation.output.say("serving " + std::to_string(state->services.size()) + " services and " +
                        std::to_string(state->models.size()) + " models on http://" + address +
                        " (stop with Ctrl-C or SIGTERM)");
  DefinitionWatch watch(invocation, *workspace, features);
  const timespec second{1, 0};
  while (sigtimedwait(&stop_signals, nullptr, &second) < 0) {
    watch.look();
  }
  invocation.output.say("stopping: requests under way are finished");
  server->stop();
  return {};
}

Status run_predict(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string name,
      only_or_given(
          invocation.arguments.get("MODEL"), names_of(workspace->project().models), "model"));
  ASSAY_ASSIGN_OR_RETURN(const serve::ServingModel model, serving_model(*workspace, name));
  ASSAY_ASSIGN_OR_RETURN(const auto pairs, parse_pairs(invocation.arguments.all("entity")));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch inputs,
                         row_from_pairs(pairs, service_inputs(*model.service)));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace->online(true));
  ASSAY_ASSIGN_OR_RETURN(const EventTime now, workspace->serving_now());
  ASSAY_ASSIGN_OR_RETURN(const serve::Predictions predictions,
                         serve::predict(model, *store, request_row(inputs), now));
  using data::Type;
  data::BatchBuilder rows(data::make_schema({{"model", Type::kString, false},
                                             {"version", Type::kString, false},
                                             {"score", Type::kFloat32, false},
                                             {"status", Type::kString, false},
                                             {"as_of", Type::kTimestamp, false}}));
  rows.column(0).append_text(name);
  rows.column(1).append_text(model.version);
  rows.column(2).append(predictions.rows.front().score);
  rows.column(3).append_text(data::status_name(predictions.rows.front().status));
  rows.column(4).append(now.micros);
  invocation.output.rows(rows.finish());
  return {};
}

}  // namespace

std::vector<Command> serve_commands() {
  return {
      {{"predict"},
       "fetch a model's features for an entity and score them",
       "",
       {{"MODEL", "model; may be left out when there is one", false}},
       {{"entity",
         "NAME=VALUE",
         "an entity key or request value; several by repeating or with commas",
         "",
         true,
         false}},
       run_predict},
      {{"serve"},
       "serve features and predictions over HTTP until stopped",
       "POST /get-online-features as Feast has it, POST /predict, GET /health, GET /metrics.",
       {},
       {{"http",
         "HOST:PORT",
         "where to listen; port 0 takes a free one",
         "127.0.0.1:6566",
         false,
         false},
        {"threads", "N", "threads that answer; 0 is one per core", "0", false, false},
        {"address-file", "FILE", "write the address here once it listens", "", false, false}},
       run_serve},
  };
}

}  // namespace assay::cli
