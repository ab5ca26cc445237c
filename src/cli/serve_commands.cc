#include <optional>

#include "cli/commands.h"
#include "cli/definition_watch.h"
#include "cli/line_beside.h"
#include "cli/model_versions.h"
#include "cli/served_writer.h"
#include "cli/serving.h"
#include "flow/served.h"
#include "serve/feature_server.h"
#include "serve/http_server.h"
#include "serve/predict.h"

namespace assay::cli {
namespace {

Status run_serve(Invocation& invocation) {
  StopWait stop;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace->online(true));
  DefinitionWatch watch(invocation, *workspace, workspace->served_version());
  ASSAY_ASSIGN_OR_RETURN(const auto state, watch.state(*workspace));
  ASSAY_ASSIGN_OR_RETURN(const auto log, served_log(invocation, *state));
  LineBeside line(invocation, *store, invocation.arguments.has("push"));
  serve::FeatureServer features(invocation.world, *store, state, log.get(), &line);
  Servers servers(invocation, features, line);
  ASSAY_ASSIGN_OR_RETURN(const int64_t threads, invocation.arguments.integer("threads", 0));
  ASSAY_RETURN_IF_ERROR(servers.start(static_cast<int>(threads)));
  invocation.output.say("serving " + std::to_string(state->services.size()) + " services and " +
                        std::to_string(state->models.size()) + " models on " + servers.where() +
                        " (stop with Ctrl-C or SIGTERM)");
  std::optional<ServedWriter> writer;
  if (log != nullptr) {
    writer.emplace(invocation.world, *log, [&](const serve::ServedBatch& batch) {
      return flow::append_served(*workspace, *batch.service, batch.rows);
    });
  }
  const auto look = [&] {
    watch.look([&](auto newer) { features.replace(std::move(newer)); });
    if (writer.has_value()) {
      writer->look();
    }
  };
  while (!stop.second()) {
    look();
  }
  invocation.output.say("stopping: requests under way are finished (again to end at once)");
  servers.stop(look);
  if (writer.has_value()) {
    writer->finish();
  }
  return {};
}

Status run_predict(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(
      const std::string name,
      only_or_given(
          invocation.arguments.get("MODEL"), names_of(workspace->project().models), "model"));
  ASSAY_ASSIGN_OR_RETURN(const ServedModel served, ModelVersions(*workspace).served(name));
  if (!served.model.has_value()) {
    return served.why_not;
  }
  const serve::ServingModel& model = *served.model;
  if (!served.why_not.ok()) {
    invocation.output.say("warning: " + not_served(name, served));
  }
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
  std::vector<Command> commands{
      {{"predict"},
       "fetch a model's features for an entity and score them",
       "",
       {{"MODEL", "model; may be left out when there is one", false}},
       {entity_flag()},
       run_predict},
      {{"serve"},
       "serve features and predictions over HTTP until stopped",
       "The endpoints of Feast's feature server and registry, POST /predict, GET /health, GET "
       "/metrics.",
       {},
       {{"http",
         "HOST:PORT",
         "where to listen; port 0 takes a free one",
         "127.0.0.1:6566",
         false,
         false},
        {"threads", "N", "threads that answer; 0 is one per core", "0", false, false},
        log_share_flag()},
       run_serve},
  };
  for (Flag& flag : Servers::flags()) {
    commands.back().flags.push_back(std::move(flag));
  }
  return commands;
}

}  // namespace assay::cli
