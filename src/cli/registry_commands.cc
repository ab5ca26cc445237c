#include <array>
#include <atomic>
#include <mutex>
#include <optional>

#include "base/file_system.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/definition_watch.h"
#include "cli/feast_place.h"
#include "cli/serving.h"
#include "serve/feast_import.h"
#include "serve/feast_registry.h"
#include "serve/grpc_health.h"
#include "serve/grpc_reflection.h"
#include "serve/grpc_registry.h"

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

/// The registry as it is served by now. Threads thread-safe.
class ServedRegistry {
 public:
  void set(const serve::ServingState& state) {
    auto made = std::make_shared<const serve::FeastRegistry>(serve::feast_registry(state));
    const std::lock_guard lock(mutex_);
    registry_ = std::move(made);
  }
  std::shared_ptr<const serve::FeastRegistry> get() {
    const std::lock_guard lock(mutex_);
    return registry_;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<const serve::FeastRegistry> registry_;
};

/// What a method of the registry answers to whoever may ask.
serve::GrpcHandler registry_handler(ServedRegistry& registry,
                                    serve::Gate& gate,
                                    const std::atomic<bool>& is_draining) {
  const auto answer = [&](std::string_view method,
                          std::string_view request,
                          const serve::Credentials& credentials) -> Result<std::string> {
    if (method == serve::kHealthCheck || method == serve::kHealthWatch) {
      return serve::answer_health(method, request, [&](std::string_view service) {
        return service.empty() ? !is_draining : serve::health_without_rows(service, is_draining);
      });
    }
    if (serve::is_reflection(method)) {
      constexpr std::array<std::string_view, 2> kServices = {serve::kRegistryServiceName,
                                                             serve::kHealthService};
      return serve::answer_reflection(request, kServices);
    }
    ASSAY_ASSIGN_OR_RETURN(const auto caller, gate.who(credentials));
    return caller->may("registry")
               ? serve::answer_registry(*registry.get(), method, request)
               : Status(Code::kPermissionDenied, caller->name + " may not use registry");
  };
  return [answer](std::string_view method,
                  std::string_view request,
                  const serve::Credentials& credentials) {
    return serve::plain_reply(answer(method, request, credentials));
  };
}

Status run_registry_serve(Invocation& invocation) {
  StopWait stop;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_served_workspace(invocation));
  DefinitionWatch watch(invocation, *workspace, workspace->served_version());
  ASSAY_ASSIGN_OR_RETURN(const auto state, watch.state(*workspace));
  ServedRegistry registry;
  registry.set(*state);
  serve::Gate gate(invocation.world.clock);
  AccessFile access(invocation, gate);
  ASSAY_RETURN_IF_ERROR(access.look());
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<serve::TlsFiles> tls, tls_files(invocation));
  ASSAY_ASSIGN_OR_RETURN(const serve::HttpOptions address,
                         parse_address(invocation.arguments.get("grpc"), "--grpc"));
  serve::GrpcOptions options;
  options.host = address.host;
  options.port = address.port;
  options.tls = tls == nullptr ? serve::TlsSource() : tls->source();
  ASSAY_ASSIGN_OR_RETURN(const Duration drain, drain_time(invocation.arguments));
  std::atomic<bool> is_draining = false;
  ASSAY_ASSIGN_OR_RETURN(
      const auto server,
      serve::start_grpc_server(
          invocation.world, registry_handler(registry, gate, is_draining), options));
  const std::string where = options.host + ":" + std::to_string(server->port());
  ASSAY_RETURN_IF_ERROR(write_addresses(invocation, where, ""));
  invocation.output.say("serving the registry of " + registry.get()->project + " by gRPC on " +
                        where + " (stop with Ctrl-C or SIGTERM)");
  const auto look = [&] {
    watch.look([&](const auto& newer) { registry.set(*newer); });
    access.look_again();
    if (tls != nullptr) {
      tls->look_again();
    }
  };
  while (!stop.second()) {
    look();
  }
  is_draining = true;
  server->tell_health();
  wait_calling(invocation.world.clock, drain, look);
  server->stop();
  return {};
}

Status run_import_feast(Invocation& invocation) {
  const std::string& repository = invocation.arguments.get("REPO");
  const std::string& folder = invocation.arguments.get("FOLDER");
  FileSystem& files = invocation.world.files;
  ASSAY_ASSIGN_OR_RETURN(const FeastPlace place, find_feast_place(files, repository));
  ASSAY_ASSIGN_OR_RETURN(const std::string registry, files.read(place.registry_file));
  ASSAY_ASSIGN_OR_RETURN(const std::string whole, absolute_path(place.folder));
  Result<serve::FeastImport> made = serve::import_feast(registry, whole);
  if (!made.ok()) {
    return std::move(made).status().with_context(place.registry_file);
  }
  made->notes.insert(made->notes.end(), place.notes.begin(), place.notes.end());
  ASSAY_RETURN_IF_ERROR(files.make_directories(folder));
  const std::string project = made->project.empty() ? "imported" : made->project;
  for (const auto& [name, text] : {std::pair{"assay.yaml",
                                             "project: " + project +
                                                 "\nlake: ./lake\ncatalog: ./catalog.db\n"
                                                 "online: embedded:./online\n"},
                                   std::pair{"feast.yaml", made->yaml}}) {
    ASSAY_RETURN_IF_ERROR(files.put_if_absent(join_path(folder, name), text));
  }
  data::BatchBuilder rows(data::make_schema({{"note", data::Type::kString, false}}));
  for (const std::string& note : made->notes) {
    rows.column(0).append_text(note);
  }
  invocation.output.rows(rows.finish());
  invocation.output.say("wrote " + join_path(folder, "feast.yaml") +
                        "; look at it, then `assay validate` and `assay apply` there");
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
      {{"registry", "serve"},
       "serve the registry by gRPC, for Feast's clients with `registry_type: remote`",
       "It only reads; `assay serve --grpc` has the same beside features.",
       {},
       {{"grpc",
         "HOST:PORT",
         "where to listen; port 0 takes a free one",
         "127.0.0.1:6570",
         false,
         false},
        {"address-file", "FILE", "write the address here once it listens", "", false, false},
        access_flag(),
        tls_flags()[0],
        tls_flags()[1],
        tls_flags()[2],
        drain_flag()},
       run_registry_serve},
      {{"import", "feast"},
       "turn a Feast repository into a project",
       "Reads the registry that `feast apply` made. Feature views over files become sources, "
       "bronze "
       "tables and\n"
       "views of their newest values; what has no counterpart is listed.",
       {{"REPO", "the repository's folder, its feature_store.yaml, or its registry's file", true},
        {"FOLDER", "where the project goes, made when it is not there", true}},
       {},
       run_import_feast},
  };
}

}  // namespace assay::cli
