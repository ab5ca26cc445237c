#include <array>

#include "base/process.h"
#include "base/suggest.h"
#include "catalog/diagnostics.h"
#include "catalog/plan.h"
#include "cli/commands.h"
#include "ingest/generate.h"

namespace assay::cli {
namespace {

constexpr std::array kTemplates{"flights", "shop", "shop_live"};

/// Copy a folder of the program's templates. Existing files are never overwritten.
Status copy_folder(World& world, const std::string& from, const std::string& to) {
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(to));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, world.files.list(from));
  for (const FileInfo& entry : entries) {
    const std::string target = join_path(to, file_name(entry.path));
    if (entry.is_directory) {
      ASSAY_RETURN_IF_ERROR(copy_folder(world, entry.path, target));
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string bytes, world.files.read(entry.path));
    ASSAY_RETURN_IF_ERROR(world.files.put_if_absent(target, bytes));
  }
  return {};
}

Status generate_to(World& world,
                   const std::string& path,
                   const std::function<Status(const ingest::LineSink&)>& make) {
  std::string text;
  ASSAY_RETURN_IF_ERROR(make([&](const std::string& line) {
    text += line;
    return Status();
  }));
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(parent_path(path)));
  return world.files.write(path, text);
}

Status generate_shop_data(World& world, const std::string& folder) {
  ingest::UsersOptions users;
  ingest::EventsOptions events;
  users.start = *parse_time("2026-01-01");
  events.start = users.start;
  // About a week of clicks.
  events.rate = static_cast<double>(events.count) / (7 * 24 * 3600);
  ASSAY_RETURN_IF_ERROR(
      generate_to(world, join_path(folder, "data/users.jsonl"), [&](const ingest::LineSink& sink) {
        return ingest::generate_users(users, sink);
      }));
  return generate_to(
      world, join_path(folder, "data/clicks/clicks-1.jsonl"), [&](const ingest::LineSink& sink) {
        return ingest::generate_events(events, [&](const ingest::GeneratedEvent& event) {
          return sink(std::string(event.line));
        });
      });
}

Status run_init(Invocation& invocation) {
  const std::string& folder = invocation.arguments.get("DIR");
  const std::string& name = invocation.arguments.get("template");
  const std::vector<std::string> known(kTemplates.begin(), kTemplates.end());
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    return {Code::kInvalidArgument,
            "there is no template `" + name + "`" + did_you_mean(name, known) +
                " (there are: flights, shop, shop_live)"};
  }
  World& world = invocation.world;
  if (world.files.stat(join_path(folder, "assay.yaml")).ok()) {
    return {Code::kAlreadyExists,
            join_path(folder, "assay.yaml") + " exists; choose a folder without a project"};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string program, program_folder());
  const std::string source = join_path(program, "templates/" + name);
  if (!world.files.stat(source).ok()) {
    return {Code::kNotFound, "the template's files are missing beside the program: " + source};
  }
  ASSAY_RETURN_IF_ERROR(copy_folder(world, source, folder));
  if (name == "shop") {
    ASSAY_RETURN_IF_ERROR(generate_shop_data(world, folder));
  }
  invocation.output.say("project " + name + " is in " + folder + "; go on with:\n  cd " + folder +
                        "\n  assay plan\n  assay apply\n  assay " +
                        (name == "shop_live" ? "up" : "run"));
  return {};
}

Status run_validate(Invocation& invocation) {
  catalog::Diagnostics diagnostics;
  Result<std::unique_ptr<flow::Workspace>> workspace = open_workspace(invocation, &diagnostics);
  invocation.output.json(catalog::diagnostics_json(diagnostics));
  if (!workspace.ok()) {
    return workspace.status();
  }
  if (!diagnostics.items.empty()) {
    invocation.output.say(catalog::format_diagnostics(diagnostics));
  }
  const catalog::Project& project = (*workspace)->project();
  invocation.output.say("valid: " + std::to_string(project.sources.size()) + " sources, " +
                        std::to_string(project.bronze.size()) + " bronze and " +
                        std::to_string(project.silver.size()) + " silver tables, " +
                        std::to_string(project.views.size()) + " feature views, " +
                        std::to_string(project.services.size()) + " services, " +
                        std::to_string(project.models.size()) + " models");
  return {};
}

Status run_plan(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const catalog::Plan plan, workspace->plan());
  if (invocation.output.format() == OutputFormat::kJson) {
    invocation.output.json(catalog::plan_json(plan));
  } else {
    invocation.output.raw(catalog::format_plan(plan));
  }
  return {};
}

Status run_apply(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const catalog::Plan plan, workspace->plan());
  if (!plan.incompatible.empty() && !invocation.arguments.has("allow-incompatible")) {
    invocation.output.say(catalog::format_plan(plan));
    return {Code::kFailedPrecondition,
            "some changes no longer fit what exists, see above; nothing was applied "
            "(--allow-incompatible applies them)"};
  }
  if (!invocation.arguments.has("quiet")) {
    invocation.output.say(catalog::format_plan(plan));
  }
  ASSAY_ASSIGN_OR_RETURN(const catalog::ApplyOutcome outcome, workspace->apply());
  for (const catalog::ObjectChange& change : plan.changes) {
    if (change.change == catalog::ChangeKind::kChange &&
        (change.kind == "bronze" || change.kind == "silver" || change.kind == "feature_view")) {
      invocation.output.say("the next `assay run` makes " + change.kind + " " + change.name +
                            ", and what is made from it, anew as a new table; the old one stays");
    }
  }
  invocation.output.object({{"added", data::Scalar::int64(outcome.added)},
                            {"changed", data::Scalar::int64(outcome.changed)},
                            {"removed", data::Scalar::int64(outcome.removed)},
                            {"unchanged", data::Scalar::int64(outcome.unchanged)}});
  return {};
}

}  // namespace

std::vector<Command> project_commands() {
  return {
      {{"init"},
       "write a project that runs as it is",
       "Templates: flights (real flights, January 2001), shop (made-up users and clicks), "
       "shop_live "
       "(the same\nfrom a Kafka topic).",
       {{"DIR", "folder to make", true}},
       {{"template", "NAME", "flights, shop or shop_live", "flights", false, false}},
       run_init},
      {{"validate"},
       "check all definitions, every error at once with file, line and column",
       "",
       {},
       {},
       run_validate},
      {{"plan"}, "show what apply would change, and what that breaks", "", {}, {}, run_plan},
      {{"apply"},
       "make the definitions the applied ones, each change a new version in the catalog",
       "",
       {},
       {{"allow-incompatible",
         "",
         "apply changes that no longer fit existing tables or services",
         "",
         false,
         false}},
       run_apply},
  };
}

}  // namespace assay::cli
