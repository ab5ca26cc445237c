#include "cli/definition_watch.h"

#include <utility>

#include "cli/commands.h"
#include "learn/model_card.h"
#include "learn/scorer.h"

namespace assay::cli {
namespace {

/// The model with its service as a workspace defines it.
Result<serve::ServingModel> model_under(flow::Workspace& workspace,
                                        const catalog::ModelRow& row,
                                        const learn::ModelCard& card) {
  Result<std::shared_ptr<const gold::Service>> service = workspace.service(card.service);
  if (service.code() == Code::kNotFound) {  // not there any more
    return Status(Code::kFailedPrecondition, service.status().message());
  }
  ASSAY_RETURN_IF_ERROR(service.status());
  for (const auto& [name, fingerprint] : workspace.service_fingerprints(**service)) {
    const auto trained = card.fingerprints.find(name);
    if (trained == card.fingerprints.end() || trained->second != fingerprint) {
      return Status(Code::kFailedPrecondition,
                    name + " is not defined, or made, as it was when model " + row.name +
                        " version " + std::to_string(row.version) +
                        " was trained; run `assay train " + row.name + "`");
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const auto scorer, learn::Scorer::load(row.bytes));
  return serve::ServingModel::make(
      row.name, std::to_string(row.version), *service, scorer, card.features);
}

/// Nothing but another definition or version of the model mends that; any other failure may pass.
bool fits_not(const Status& status) {
  return status.code() == Code::kFailedPrecondition || status.code() == Code::kNotFound;
}

/// Of the model alone: others are served nevertheless.
bool is_of_the_model(const Status& status) {
  return fits_not(status) || status.code() == Code::kCorrupt ||
         status.code() == Code::kUnimplemented;
}

/// The definitions before, if there are any that this program understands.
Result<flow::Workspace*> workspace_before(flow::Workspace& workspace, DefinitionsBefore& before) {
  Result<flow::Workspace*> older = before.get();
  if (older.code() != Code::kInvalidArgument) {
    return older;
  }
  workspace.world().log.warn("definitions_before_not_read", {{"reason", older.status().message()}});
  return Status(Code::kFailedPrecondition, older.status().message());
}

Result<serve::ServingModel> serving_model(flow::Workspace& workspace,
                                          const catalog::ModelRow& row,
                                          DefinitionsBefore* before) {
  ASSAY_ASSIGN_OR_RETURN(const learn::ModelCard card, learn::parse_model_card(row.card_json));
  Result<serve::ServingModel> model = model_under(workspace, row, card);
  if (model.code() != Code::kFailedPrecondition || before == nullptr) {
    return model;
  }
  const Result<flow::Workspace*> older = workspace_before(workspace, *before);
  Result<serve::ServingModel> pinned =
      older.ok() ? model_under(**older, row, card) : Result<serve::ServingModel>(older.status());
  if (!pinned.ok()) {
    return fits_not(pinned.status()) ? model : pinned;
  }
  pinned->is_of_before = true;
  return pinned;
}

/// What who asks for a model is told that cannot be served. It names nothing that he did not.
std::string why_not_served(const catalog::ModelRow& row, const Status& status) {
  const std::string model = "model " + row.name + " version " + std::to_string(row.version);
  return status.code() == Code::kFailedPrecondition
             ? model + " was trained under other definitions; run `assay train " + row.name +
                   "`, and promote what it makes"
             : model + " cannot be served; the server's log says why";
}

/// Each model with the others that are tried beside it. One that cannot be asked keeps its share,
/// for which the model answers: whose entities the others have does not depend on it.
void add_challengers(const catalog::Project& project, Log& log, serve::ServingState* state) {
  const std::map<std::string, serve::ServingModel> alone = state->models;
  for (auto& [name, model] : state->models) {
    for (const auto& [other, wanted] : project.models.at(name).challengers) {
      const auto known = alone.find(other);
      // A definition that was changed since says nothing of what was trained.
      const bool sees_the_same = known != alone.end() &&
                                 known->second.service->name == model.service->name &&
                                 known->second.is_of_before == model.is_of_before;
      if (!sees_the_same) {
        log.warn("challenger_not_served", {{"model", name}, {"challenger", other}});
      }
      model.challengers.push_back(
          {sees_the_same ? std::make_shared<const serve::ServingModel>(known->second) : nullptr,
           wanted.share,
           wanted.shadow});
    }
  }
}

Status add_models(flow::Workspace& workspace,
                  DefinitionsBefore* before,
                  serve::ServingState* state) {
  Log& log = workspace.world().log;
  for (const auto& [name, definition] : workspace.project().models) {
    const Result<catalog::ModelRow> row = workspace.catalog().model(name);
    if (row.code() == Code::kNotFound) {
      continue;
    }
    ASSAY_RETURN_IF_ERROR(row.status());
    Result<serve::ServingModel> model = serving_model(workspace, *row, before);
    if (!model.ok()) {
      if (!is_of_the_model(model.status())) {
        return std::move(model).status().with_context("model " + name);
      }
      log.warn("model_not_served",
               {{"model", name}, {"version", row->version}, {"why", model.status().message()}});
      state->models_not_served[name] = why_not_served(*row, model.status());
      continue;
    }
    if (model->is_of_before) {
      log.warn("model_of_definitions_before",
               {{"model", name},
                {"version", row->version},
                {"next", "its features stand still; run `assay train " + name + "`"}});
    }
    state->models.emplace(name, *std::move(model));
  }
  add_challengers(workspace.project(), log, state);
  return {};
}

/// The version of each model that the catalog gives without one.
Result<std::map<std::string, std::string>> served_models(catalog::CatalogStore& catalog) {
  constexpr char kInProduction[] = " (production)";
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::ModelRow> models, catalog.models());
  std::map<std::string, std::string> served;
  for (const catalog::ModelRow& model : models) {  // the newest of each last
    std::string& version = served[model.name];
    if (!version.ends_with(kInProduction)) {
      version = std::to_string(model.version) + (model.stage == "production" ? kInProduction : "");
    }
  }
  return served;
}

Counter& failed_looks(Metrics& metrics) {
  return metrics.counter("assay_serve_failed_looks_total",
                         "Looks for newer definitions and models that failed; the log says why.");
}

}  // namespace

Result<serve::ServingModel> serving_model(flow::Workspace& workspace,
                                          const std::string& model,
                                          DefinitionsBefore* before) {
  ASSAY_ASSIGN_OR_RETURN(const catalog::ModelRow row, workspace.catalog().model(model));
  return serving_model(workspace, row, before);
}

Result<std::shared_ptr<const serve::ServingState>> serving_state(flow::Workspace& workspace,
                                                                 DefinitionsBefore* before) {
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
  ASSAY_RETURN_IF_ERROR(add_models(workspace, before, state.get()));
  return std::shared_ptr<const serve::ServingState>(std::move(state));
}

DefinitionWatch::DefinitionWatch(Invocation& invocation,
                                 flow::Workspace& workspace,
                                 std::optional<int64_t> version)
    : invocation_(invocation), catalog_(workspace.catalog()) {
  Result<std::map<std::string, std::string>> models = served_models(catalog_);
  // Without an answer there seem to be none: the first look then finds them.
  failed_looks(invocation_.world.metrics);  // it is there from the start
  seen_ = {version, models.ok() ? *std::move(models) : std::map<std::string, std::string>()};
}

Result<std::shared_ptr<const serve::ServingState>> DefinitionWatch::state(
    flow::Workspace& workspace) {
  Invocation own{invocation_.arguments, invocation_.world, invocation_.output};  // of this thread
  DefinitionsBefore before(own, workspace);
  return serving_state(workspace, &before);
}

Result<DefinitionWatch::Seen> DefinitionWatch::seen() {
  Seen newest;
  ASSAY_ASSIGN_OR_RETURN(newest.version,
                         catalog_.complete_version(invocation_.arguments.get("profile")));
  ASSAY_ASSIGN_OR_RETURN(newest.models, served_models(catalog_));
  if (!newest.version.has_value()) {
    newest.version = seen_.version;
  }
  return newest;
}

void DefinitionWatch::look(const Take& take) {
  Result<Seen> newest = seen();
  const Status done = !newest.ok()         ? newest.status().with_context("cannot look")
                      : *newest == seen_ ? Status()
                                         : replace(take);
  if (!done.ok()) {
    failed_looks(invocation_.world.metrics).add(1);
    if (done.to_string() != failure_) {
      invocation_.world.log.error("definitions_not_replaced", {{"reason", done.to_string()}});
    }
  } else if (*newest != seen_) {
    tell(*newest);
    seen_ = *std::move(newest);
  }
  failure_ = done.ok() ? "" : done.to_string();
}

Status DefinitionWatch::replace(const Take& take) {
  Invocation own{invocation_.arguments, invocation_.world, invocation_.output};  // of this thread
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(own));
  ASSAY_ASSIGN_OR_RETURN(auto made, state(*workspace));
  take(std::move(made));
  return {};
}

/// What was replaced.
void DefinitionWatch::tell(const Seen& newest) {
  Log& log = invocation_.world.log;
  if (newest.version != seen_.version) {
    log.info("definitions_replaced", {{"version", newest.version.value_or(0)}});
  }
  for (const auto& [name, version] : newest.models) {
    const auto before = seen_.models.find(name);
    if (before == seen_.models.end() || before->second != version) {
      log.info("model_replaced", {{"model", name}, {"version", version}});
    }
  }
}

}  // namespace assay::cli
