#include "base/file_system.h"
#include "cli/commands.h"
#include "cli/serving.h"
#include "serve/feast_registry.h"

namespace assay::cli {
namespace {

constexpr char kRegistryFile[] = "registry.db";
constexpr char kStoreFile[] = "feature_store.yaml";

/// What a Feast client needs to know: where the registry is, and the server.
std::string feature_store_yaml(const std::string& project, const std::string& server) {
  return "# Feast's clients read the registry beside this file and ask Assay for features.\n"
         "project: " +
         project +
         "\n"
         "provider: local\n"
         "registry: " +
         std::string(kRegistryFile) +
         "\n"
         "online_store:\n"
         "  type: remote\n"
         "  path: " +
         server +
         "\n"
         "entity_key_serialization_version: 3\n"
         "auth:\n"
         "  type: no_auth\n";
}

Status run_registry_export(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const auto state, serving_state(*workspace));
  const serve::FeastRegistry registry = serve::feast_registry(*state);
  const std::string& folder = arguments.get("FOLDER");
  FileSystem& files = invocation.world.files;
  ASSAY_RETURN_IF_ERROR(files.make_directories(folder));
  ASSAY_RETURN_IF_ERROR(files.write(join_path(folder, kRegistryFile), registry.file()));
  const Status made = files.put_if_absent(
      join_path(folder, kStoreFile), feature_store_yaml(registry.project, arguments.get("server")));
  if (!made.ok() && made.code() != Code::kAlreadyExists) {
    return made;
  }
  using data::Type;
  data::BatchBuilder rows(data::make_schema({{"kind", Type::kString, false},
                                             {"name", Type::kString, false},
                                             {"description", Type::kString, false}}));
  for (const auto* objects :
       {&registry.entities, &registry.feature_views, &registry.feature_services}) {
    for (const serve::FeastObject& object : *objects) {
      rows.column(0).append_text(object.kind);
      rows.column(1).append_text(object.name);
      rows.column(2).append_text(object.description);
    }
  }
  invocation.output.rows(rows.finish());
  invocation.output.say(
      made.ok() ? "wrote " + join_path(folder, kRegistryFile) + " and " +
                      join_path(folder, kStoreFile) + "; a Feast client opens that folder"
                : "wrote " + join_path(folder, kRegistryFile) + "; " +
                      join_path(folder, kStoreFile) + " was there and is left as it is");
  return {};
}

}  // namespace

std::vector<Command> registry_commands() {
  return {
      {{"registry", "export"},
       "write what is served as a registry that Feast's clients read",
       "Writes registry.db into the folder, and a feature_store.yaml unless there is one. A client "
       "of Feast\n"
       "that opens the folder lists the entities, views and services, and asks the server for "
       "values. Write it\n"
       "again after `assay apply`.",
       {{"FOLDER", "where to, made when it is not there", true}},
       {{"server",
         "URL",
         "where `assay serve` listens, for a new feature_store.yaml",
         "http://127.0.0.1:6566",
         false,
         false}},
       run_registry_export},
  };
}

}  // namespace assay::cli
