#include "cli/definition_watch.h"

#include <utility>

#include "cli/commands.h"
#include "cli/model_versions.h"

namespace assay::cli {
namespace {

/// What who asks for a model is told that cannot be served. It names nothing that he did not.
std::string why_not_served(const std::string& name, const ServedModel& served) {
  const std::string model = "model " + name + " version " + std::to_string(served.wanted);
  return served.why_not.code() == Code::kFailedPrecondition
             ? model + " was trained under other definitions; run `assay train " + name +
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
      const bool sees_the_same =
          known != alone.end() && known->second.definitions == model.definitions;
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

/// What is not as it should be of a model, into the log.
void tell(Log& log, const std::string& name, const ServedModel& served) {
  const std::string train = "run `assay train " + name + "`, and promote what it makes";
  if (!served.why_not.ok()) {
    const std::string instead = served.model.has_value() ? served.model->version : "";
    log.warn("model_not_served",
             {{"model", name},
              {"version", served.wanted},
              {"why", served.why_not.message()},
              {"instead", instead.empty() ? "no version can be served" : "version " + instead}});
  }
  if (served.model.has_value() && served.model->is_of_before) {
    log.warn("model_of_definitions_before",
             {{"model", name},
              {"version", served.model->version},
              {"next", "its features stand still; " + train}});
  } else if (served.model.has_value() && served.model->is_pinned) {
    log.info("model_with_its_own_definitions",
             {{"model", name},
              {"version", served.model->version},
              {"next", "others are served by now; " + train}});
  }
}

Status add_models(flow::Workspace& workspace, serve::ServingState* state) {
  Log& log = workspace.world().log;
  ModelVersions versions(workspace);
  for (const auto& [name, definition] : workspace.project().models) {
    Result<ServedModel> served = versions.served(name);
    if (served.code() == Code::kNotFound) {
      continue;
    }
    ASSAY_RETURN_IF_ERROR(served.status());
    tell(log, name, *served);
    if (served->model.has_value()) {
      state->models.emplace(name, *std::move(served->model));
    } else {
      state->models_not_served[name] = why_not_served(name, *served);
    }
  }
  add_challengers(workspace.project(), log, state);
  return {};
}

Counter& failed_looks(Metrics& metrics) {
  return metrics.counter("assay_serve_failed_looks_total",
                         "Looks for newer definitions and models that failed; the log says why.");
}

}  // namespace

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
  ASSAY_RETURN_IF_ERROR(add_models(workspace, state.get()));
  return std::shared_ptr<const serve::ServingState>(std::move(state));
}

DefinitionWatch::DefinitionWatch(Invocation& invocation,
                                 flow::Workspace& workspace,
                                 std::optional<int64_t> version)
    : invocation_(invocation), catalog_(workspace.catalog()) {
  auto models = catalog_.served_versions();
  // Without an answer there seem to be none: the first look then finds them.
  failed_looks(invocation_.world.metrics);  // it is there from the start
  seen_ = {version, models.ok() ? *std::move(models) : Versions()};
}

Result<std::shared_ptr<const serve::ServingState>> DefinitionWatch::state(
    flow::Workspace& workspace) {
  ASSAY_ASSIGN_OR_RETURN(state_, serving_state(workspace));
  return state_;
}

Result<DefinitionWatch::Seen> DefinitionWatch::seen() {
  Seen newest;
  ASSAY_ASSIGN_OR_RETURN(newest.version,
                         catalog_.complete_version(invocation_.arguments.get("profile")));
  ASSAY_ASSIGN_OR_RETURN(newest.models, catalog_.served_versions());
  if (!newest.version.has_value()) {
    newest.version = seen_.version;
  }
  return newest;
}

void DefinitionWatch::look(const Take& take) {
  Result<Seen> newest = seen();
  const Status done = !newest.ok()       ? newest.status().with_context("cannot look")
                      : *newest == seen_ ? Status()
                                         : replace(*newest, take);
  if (!done.ok()) {
    failed_looks(invocation_.world.metrics).add(1);
    if (done.to_string() != failure_) {
      invocation_.world.log.error("definitions_not_replaced", {{"reason", done.to_string()}});
    }
  } else if (*newest != seen_) {
    seen_ = *std::move(newest);
  }
  failure_ = done.ok() ? "" : done.to_string();
}

Status DefinitionWatch::replace(const Seen& newest, const Take& take) {
  Invocation own{invocation_.arguments, invocation_.world, invocation_.output};  // of this thread
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(own));
  const std::shared_ptr<const serve::ServingState> before = state_;
  ASSAY_ASSIGN_OR_RETURN(auto made, state(*workspace));
  take(made);
  if (newest.version != seen_.version) {
    invocation_.world.log.info("definitions_replaced", {{"version", newest.version.value_or(0)}});
  }
  for (const auto& [name, model] : made->models) {
    const bool was_there = before != nullptr && before->models.contains(name);
    if (!was_there || before->models.at(name).version != model.version) {
      invocation_.world.log.info("model_replaced", {{"model", name}, {"version", model.version}});
    }
  }
  return {};
}

}  // namespace assay::cli
