#include "cli/serving.h"

#include <charconv>

#include "base/file_system.h"
#include "learn/model_card.h"
#include "serve/grpc_calls.h"

namespace assay::cli {

Result<serve::ServingModel> serving_model(flow::Workspace& workspace, const std::string& model) {
  ASSAY_ASSIGN_OR_RETURN(const catalog::ModelRow row, workspace.catalog().model(model));
  ASSAY_ASSIGN_OR_RETURN(const learn::ModelCard card, learn::parse_model_card(row.card_json));
  ASSAY_ASSIGN_OR_RETURN(const auto service, workspace.service(card.service));
  for (const auto& [name, fingerprint] : workspace.service_fingerprints(*service)) {
    const auto trained = card.fingerprints.find(name);
    if (trained == card.fingerprints.end() || trained->second != fingerprint) {
      return Status(Code::kFailedPrecondition,
                    name + " is not defined, or made, as it was when model " + model + " version " +
                        std::to_string(row.version) + " was trained; run `assay train " + model +
                        "`");
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const auto scorer, learn::Scorer::load(row.bytes));
  return serve::ServingModel::make(
      model, std::to_string(row.version), service, scorer, card.features);
}

Result<std::shared_ptr<const serve::ServingState>> serving_state(flow::Workspace& workspace) {
  const catalog::Project& project = workspace.project();
  auto state = std::make_shared<serve::ServingState>();
  state->project = project.name;
  state->clock = project.serving_clock;
  state->on_demand = project.on_demand;
  state->derived = project.derived;
  state->definitions = std::make_shared<const catalog::Project>(project);
  for (const auto& [name, definition] : project.views) {
    ASSAY_ASSIGN_OR_RETURN(state->views[name], workspace.view(name));
    ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.steps_table_key(*state->views[name]));
    state->steps_tables[name] = join_path(project.lake, key);
  }
  for (const auto& [name, definition] : project.services) {
    ASSAY_ASSIGN_OR_RETURN(state->services[name], workspace.service(name));
  }
  for (const auto& [name, definition] : project.models) {
    Result<serve::ServingModel> model = serving_model(workspace, name);
    if (model.ok()) {
      state->models.emplace(name, *std::move(model));
    } else if (model.code() != Code::kNotFound) {
      workspace.world().log.warn("model_not_served",
                                 {{"model", name}, {"why", model.status().message()}});
    }
  }
  return std::shared_ptr<const serve::ServingState>(std::move(state));
}

Result<serve::HttpOptions> parse_address(const std::string& text, const std::string& flag) {
  serve::HttpOptions options;
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos) {
    options.host = text.substr(0, colon);
  }
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  if (error != std::errc() || end != port.data() + port.size() || options.host.empty()) {
    return Status(Code::kInvalidArgument,
                  flag + " is `" + text + "`; write it like 127.0.0.1:6566");
  }
  return options;
}

Flag grpc_flag() {
  return {"grpc",
          "HOST:PORT",
          "also answer gRPC there: Feast's ServingService and predictions",
          "",
          false,
          false};
}

Flag access_flag() {
  return {
      "access",
      "FILE",
      "answer only the callers that this file names (docs/serving.md); read anew when it changes",
      "",
      false,
      false};
}

Status AccessFile::look() {
  if (!wanted_) {
    return {};
  }
  if (file_.empty()) {
    return {Code::kInvalidArgument, "--access names no file; without it everybody may ask"};
  }
  ASSAY_ASSIGN_OR_RETURN(std::string text, world_.files.read(file_));
  std::string names = text;
  const auto read = [&](const std::string& path) -> Result<std::string> {
    const bool absolute = path.starts_with('/');
    ASSAY_ASSIGN_OR_RETURN(
        std::string found,
        world_.files.read(absolute ? path : join_path(parent_path(file_), path)));
    names += found;
    return found;
  };
  Result<std::shared_ptr<const serve::Access>> access = serve::Access::parse(text, read);
  if (!access.ok()) {
    return std::move(access).status().with_context(file_);
  }
  if (names != known_) {
    known_ = std::move(names);
    server_.protect(*std::move(access));
    world_.log.info("access_read", {{"file", file_}});
  }
  return {};
}

void AccessFile::look_again() {
  const Status status = look();
  if (!status.ok() && status.to_string() != failure_) {
    world_.log.error("access_not_read", {{"reason", status.to_string()}});
  }
  failure_ = status.ok() ? "" : status.to_string();
}

Result<GrpcBeside> start_grpc(serve::FeatureServer& features, const Arguments& arguments) {
  GrpcBeside beside;
  if (!arguments.has("grpc")) {
    return beside;
  }
  ASSAY_ASSIGN_OR_RETURN(const serve::HttpOptions address,
                         parse_address(arguments.get("grpc"), "--grpc"));
  serve::GrpcOptions options;
  options.host = address.host;
  options.port = address.port;
  ASSAY_ASSIGN_OR_RETURN(
      beside.server,
      serve::start_grpc_server(
          [&features](
              std::string_view method, std::string_view request, std::string_view authorization) {
            return serve::answer_grpc(features, method, request, authorization);
          },
          options));
  beside.address = options.host + ":" + std::to_string(beside.server->port());
  return beside;
}

Status write_addresses(Invocation& invocation, const std::string& http, const std::string& grpc) {
  const std::string& file = invocation.arguments.get("address-file");
  return file.empty()
             ? Status()
             : invocation.world.files.write(file, http + "\n" + (grpc.empty() ? "" : grpc + "\n"));
}

StopWait::StopWait() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

bool StopWait::second() {
  const timespec second{1, 0};
  return sigtimedwait(&signals_, nullptr, &second) >= 0;
}

serve::RequestRows request_row(const data::Batch& inputs) {
  serve::RequestRows rows;
  rows.rows = 1;
  for (int c = 0; c < inputs.column_count(); ++c) {
    rows.columns.push_back({inputs.schema().field(c).name, {inputs.column(c).scalar(0)}});
  }
  return rows;
}

}  // namespace assay::cli
