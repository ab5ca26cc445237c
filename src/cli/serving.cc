#include "cli/serving.h"

#include <charconv>

#include "learn/model_card.h"

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

serve::RequestRows request_row(const data::Batch& inputs) {
  serve::RequestRows rows;
  rows.rows = 1;
  for (int c = 0; c < inputs.column_count(); ++c) {
    rows.columns.push_back({inputs.schema().field(c).name, {inputs.column(c).scalar(0)}});
  }
  return rows;
}

}  // namespace assay::cli
