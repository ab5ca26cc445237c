#include "flow/workspace.h"

#include <algorithm>
#include <set>

#include "base/hash.h"
#include "base/process.h"
#include "base/suggest.h"
#include "catalog/definition_json.h"
#include "catalog/feature_schema.h"
#include "catalog/plan.h"
#include "catalog/table_schema.h"
#include "catalog/validate.h"
#include "flow/versions.h"
#include "lake/manifest.h"
#include "online/feast_reads.h"
#include "store/s3_store.h"

namespace assay::flow {
namespace {

/// The project's folder as an absolute path, so that definitions and positions mean the same from
/// anywhere.
Result<std::string> absolute_folder(World& world, const std::string& folder) {
  ASSAY_ASSIGN_OR_RETURN(const FileInfo info, world.files.stat(folder));
  if (!info.is_directory) {
    return Status(Code::kInvalidArgument,
                  folder + " is a file; --project takes the folder with assay.yaml");
  }
  return absolute_path(folder);
}

/// The folder or bucket of the tables. Parquet files on their way to a bucket lie in the state
/// folder.
Result<std::unique_ptr<store::ObjectStore>> open_lake(World& world,
                                                      const std::string& lake,
                                                      const catalog::LakeS3Settings& s3,
                                                      const std::string& state_folder) {
  if (lake.compare(0, 5, "s3://") != 0) {
    Result<std::unique_ptr<store::ObjectStore>> folder = store::open_local_store(world, lake);
    return folder.ok() ? std::move(folder)
                       : std::move(folder).status().with_context(
                             "`lake:` in assay.yaml must name a folder, or s3://bucket/prefix");
  }
  store::S3Options options;
  ASSAY_RETURN_IF_ERROR(store::parse_s3_url(lake, &options).with_context("`lake:`"));
  options.endpoint = s3.endpoint;
  options.region = s3.region;
  options.path_style = s3.path_style;
  options.ca_file = s3.ca_file;
  options.profile = s3.profile;
  options.spool_folder = join_path(state_folder, "spool");
  options.environment = environment_variable;
  return store::open_s3_store(world, options);
}

/// A name that is no view's would leave a view to be read from elsewhere.
Status check_views_from_feast(const catalog::Project& project) {
  for (const std::string& name : online::views_from_feast(project.online)) {
    if (!project.views.contains(name)) {
      return {Code::kInvalidArgument,
              "`from_feast_views=` in `online:` names no feature view: " + name};
    }
  }
  return {};
}

}  // namespace

std::string column_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : ", ") + data::SqlEngine::identifier(name);
  }
  return list;
}

Result<std::unique_ptr<Workspace>> Workspace::open(World& world,
                                                   const std::string& folder,
                                                   const WorkspaceOptions& options,
                                                   catalog::Diagnostics* diagnostics) {
  std::unique_ptr<Workspace> workspace(new Workspace(world, options));
  ASSAY_ASSIGN_OR_RETURN(const std::string absolute, absolute_folder(world, folder));
  const std::string state = join_path(absolute, kStateFolder);
  data::SqlOptions sql_options;
  sql_options.threads = options.threads;
  sql_options.memory_bytes_max = options.memory_bytes_max;
  sql_options.temp_directory = join_path(state, "spill");
  ASSAY_ASSIGN_OR_RETURN(workspace->sql_, data::SqlEngine::open(sql_options));

  catalog::RecordedDefinitions files(world.files, absolute);
  ASSAY_ASSIGN_OR_RETURN(catalog::ParsedProject parsed,
                         workspace->load_definitions(files, absolute, diagnostics));
  workspace->project_ = std::move(parsed.project);
  workspace->texts_ = files.texts();
  workspace->s3_ = parsed.s3;
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(state));
  ASSAY_ASSIGN_OR_RETURN(workspace->store_,
                         open_lake(world, workspace->project_.lake, parsed.s3, state));
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(parent_path(workspace->project_.catalog)));
  ASSAY_ASSIGN_OR_RETURN(workspace->catalog_,
                         catalog::CatalogStore::open(world, workspace->project_.catalog));
  if (options.definitions == Definitions::kServed) {
    ASSAY_RETURN_IF_ERROR(workspace->load_served_definitions());
  }
  return workspace;
}

Status Workspace::open_stores_of(Workspace& other, const std::string& spill) {
  s3_ = other.s3_;
  const std::string state = join_path(other.project_.folder, kStateFolder);
  data::SqlOptions sql_options;
  sql_options.threads = other.options_.threads;
  sql_options.memory_bytes_max = other.options_.memory_bytes_max;
  sql_options.temp_directory = join_path(state, spill);
  ASSAY_ASSIGN_OR_RETURN(sql_, data::SqlEngine::open(sql_options));
  ASSAY_ASSIGN_OR_RETURN(store_, open_lake(other.world_, other.project_.lake, s3_, state));
  ASSAY_ASSIGN_OR_RETURN(catalog_,
                         catalog::CatalogStore::open(other.world_, other.project_.catalog));
  return {};
}

Result<catalog::ParsedProject> Workspace::load_definitions(catalog::DefinitionFiles& files,
                                                           const std::string& folder,
                                                           catalog::Diagnostics* diagnostics) {
  World world{world_.clock, files, world_.random, world_.log, world_.metrics};
  ASSAY_ASSIGN_OR_RETURN(
      catalog::ParsedProject parsed,
      catalog::load_project(world,
                            folder,
                            {options_.profile, environment_variable},
                            [&](const catalog::Project& project, const std::string& silver) {
                              return silver_schema(project, silver);
                            }));
  if (diagnostics != nullptr) {
    *diagnostics = parsed.diagnostics;
  }
  if (parsed.diagnostics.errors() > 0) {
    return Status(
        Code::kInvalidArgument,
        "the definitions have errors\n" + catalog::format_diagnostics(parsed.diagnostics));
  }
  return parsed;
}

Result<std::vector<std::string>> Workspace::online_views() {
  std::vector<std::string> names;
  for (const auto& [name, definition] : project_.views) {
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr compiled, view(name));
    names.push_back(compiled->storage_name());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status Workspace::mark_complete() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> views, online_views());
  ASSAY_RETURN_IF_ERROR(catalog_->complete_project(options_.profile, texts_, views));
  // Of every profile: several may keep their rows in one store.
  ASSAY_ASSIGN_OR_RETURN(const std::set<std::string> needed, catalog_->complete_views(2));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, online(false));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> held, store->views());
  for (const std::string& name : held) {
    if (needed.count(name) == 0) {
      ASSAY_RETURN_IF_ERROR(store->drop(name));
    }
  }
  const Status removed = store->remove_leftovers();
  if (!removed.ok()) {  // all is complete, and the next run removes them
    world_.log.warn("rows_of_dropped_views_stay", {{"status", removed.to_string()}});
  }
  return {};
}

Result<bool> Workspace::is_complete() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::CompleteProject> complete,
                         catalog_->complete_projects(options_.profile, 1));
  return !complete.empty() && complete.front().texts == texts_;
}

Result<catalog::Plan> Workspace::plan() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::AppliedObject> applied, catalog_->applied());
  return catalog::make_plan(applied, project_, output_types());
}

Result<catalog::ApplyOutcome> Workspace::apply() {
  return catalog_->apply(project_, output_types());
}

catalog::OutputTypes Workspace::output_types() {
  return catalog::output_types(project_,
                               [this](const catalog::Project& project, const std::string& silver) {
                                 return silver_schema(project, silver);
                               });
}

Result<std::vector<catalog::RegisteredFeature>> Workspace::feature_registry() {
  return catalog::feature_registry(
      project_, output_types(), [this](const std::string& kind, const std::string& name) {
        return catalog_->history(kind, name);
      });
}

Status Workspace::require_applied() {
  ASSAY_ASSIGN_OR_RETURN(const catalog::Plan changes, plan());
  if (changes.empty()) {
    return {};
  }
  return {Code::kFailedPrecondition,
          "the definitions are not what was last applied; look with `assay plan`, then run `assay "
          "apply`"};
}

Result<lake::DeltaTable*> Workspace::table(const std::string& key) {
  if (!project_.has_lake && key.compare(0, 5, "gold/") == 0) {
    return Status(Code::kFailedPrecondition,
                  "there is no table " + key + ": this project has `lake: none`");
  }
  auto& slot = tables_[key];
  if (slot == nullptr) {
    Result<std::unique_ptr<lake::DeltaTable>> opened =
        lake::DeltaTable::open(world_, *store_, *sql_, key);
    if (opened.code() == Code::kNotFound) {
      return Status(Code::kNotFound, "there is no table " + key + " yet; `assay run` makes it");
    }
    ASSAY_RETURN_IF_ERROR(opened.status());
    slot = *std::move(opened);
  }
  return slot.get();
}

Result<lake::DeltaTable*> Workspace::open_or_create_table(const std::string& key,
                                                          const lake::TableSpec& spec) {
  auto& slot = tables_[key];
  if (slot == nullptr) {
    ASSAY_ASSIGN_OR_RETURN(slot,
                           lake::DeltaTable::open_or_create(world_, *store_, *sql_, key, spec));
  }
  ASSAY_RETURN_IF_ERROR(set_format(*slot));
  return slot.get();
}

/// What the definition says of the format, where it says something, is a property of the table.
Status Workspace::set_format(lake::DeltaTable& table) {
  const auto format = formats_.find(table.key());
  if (format == formats_.end()) {
    return {};
  }
  const bool wanted = format->second == catalog::TableFormat::kParquet;
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  if (lake::wants_manifest(*snapshot) == wanted) {
    return {};
  }
  lake::CommitRequest request;
  request.operation = wanted ? "SET TBLPROPERTIES" : "UNSET TBLPROPERTIES";
  request.parameters = {
      {"properties", std::string(lake::kManifestProperty) + "=" + (wanted ? "true" : "")}};
  request.properties[lake::kManifestProperty] =
      wanted ? std::optional<std::string>("true") : std::nullopt;
  return table.commit(request).status();
}

std::vector<std::string> Workspace::plain_parquet_tables() const {
  std::vector<std::string> keys;
  for (const auto& [key, format] : formats_) {
    if (format == catalog::TableFormat::kParquet) {
      keys.push_back(key);
    }
  }
  return keys;
}

Result<std::string> Workspace::source_table_key(const std::string& name) {
  const std::optional<catalog::TableLayer> layer = catalog::layer_of(project_, name);
  if (!layer.has_value()) {
    std::vector<std::string> names;
    for (const auto& [silver, definition] : project_.silver) {
      names.push_back(silver);
    }
    for (const auto& [bronze, definition] : project_.bronze) {
      names.push_back(bronze);
    }
    return Status(Code::kNotFound, "there is no table `" + name + "`" + did_you_mean(name, names));
  }
  return *layer == catalog::TableLayer::kSilver ? silver_table_key(name) : bronze_table_key(name);
}

Result<data::SchemaPtr> Workspace::source_schema(const std::string& name) {
  if (project_.silver.count(name) != 0) {
    ASSAY_ASSIGN_OR_RETURN(silver::SilverOperator * operation, silver_operator(name));
    return operation->output_schema();
  }
  ASSAY_RETURN_IF_ERROR(source_table_key(name).status());
  return catalog::bronze_schema(project_.bronze.at(name));
}

Result<EventTime> Workspace::frontier(const std::string& name, const lake::Snapshot& snapshot) {
  const auto silver = project_.silver.find(name);
  if (silver == project_.silver.end()) {
    return EventTime::min();
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string key, silver_table_key(name));
  const std::optional<int64_t> newest = snapshot.txn(app_id(key) + "/watermark");
  const int64_t lateness = silver->second.allowed_lateness.micros;
  if (!newest.has_value() || *newest < kFirstInstant.micros + lateness) {
    return EventTime::min();
  }
  return EventTime{*newest - lateness};
}

Result<gold::FeatureViewPtr> Workspace::view(const std::string& name) {
  auto& slot = views_[name];
  if (slot == nullptr) {
    const auto found = project_.views.find(name);
    if (found == project_.views.end()) {
      std::vector<std::string> names;
      for (const auto& [view, definition] : project_.views) {
        names.push_back(view);
      }
      return Status(Code::kNotFound,
                    "there is no feature view `" + name + "`" + did_you_mean(name, names));
    }
    ASSAY_ASSIGN_OR_RETURN(const data::SchemaPtr schema, source_schema(found->second.from));
    ASSAY_ASSIGN_OR_RETURN(
        slot,
        gold::FeatureView::compile(found->second,
                                   *catalog::find_entity(project_, found->second.entity),
                                   visible_schema(*schema),
                                   source_fingerprint(found->second.from)));
  }
  return slot;
}

Result<std::shared_ptr<const gold::Service>> Workspace::service(const std::string& name) {
  const auto found = project_.services.find(name);
  if (found == project_.services.end()) {
    std::vector<std::string> names;
    for (const auto& [service, definition] : project_.services) {
      names.push_back(service);
    }
    return Status(Code::kNotFound,
                  "there is no service `" + name + "`" + did_you_mean(name, names));
  }
  return compile(found->second);
}

Result<std::shared_ptr<const gold::Service>> Workspace::compile(
    const catalog::ServiceDef& definition) {
  std::map<std::string, gold::FeatureViewPtr> views;
  for (const auto& [view_name, view_definition] : project_.views) {
    ASSAY_ASSIGN_OR_RETURN(views[view_name], view(view_name));
  }
  return gold::compile_service(definition, views, project_.on_demand, project_.derived);
}

uint64_t Workspace::bronze_fingerprint(const std::string& name) const {
  catalog::BronzeDef definition = project_.bronze.at(name);
  definition.storage = {};  // how long and in which format it is kept makes no other table
  return hash_bytes(catalog::bronze_json(definition));
}

uint64_t Workspace::silver_fingerprint(const std::string& name) const {
  catalog::SilverDef definition = project_.silver.at(name);
  definition.storage = {};
  uint64_t fingerprint =
      hash_mix(hash_bytes(catalog::silver_json(definition)), bronze_fingerprint(definition.from));
  for (const catalog::EnrichDef& enrich : definition.enrich) {
    fingerprint = hash_mix(fingerprint, source_fingerprint(enrich.lookup));
  }
  return fingerprint;
}

uint64_t Workspace::source_fingerprint(const std::string& name) const {
  return catalog::layer_of(project_, name) == catalog::TableLayer::kSilver
             ? silver_fingerprint(name)
             : bronze_fingerprint(name);
}

uint64_t Workspace::view_fingerprint(const gold::FeatureView& view) const {
  return hash_mix(view.fingerprint(), source_fingerprint(project_.views.at(view.name()).from));
}

uint64_t Workspace::derived_fingerprint(const std::string& name) const {
  const catalog::DerivedDef& view = project_.derived.at(name);
  uint64_t fingerprint = hash_bytes(catalog::derived_json(view));
  for (const catalog::ServiceItem& item : view.inputs) {
    const auto input = views_.find(item.view);
    fingerprint = hash_mix(
        fingerprint,
        input != views_.end() ? view_fingerprint(*input->second) : derived_fingerprint(item.view));
  }
  return fingerprint;
}

std::map<std::string, uint64_t> Workspace::service_fingerprints(
    const gold::Service& service) const {
  std::map<std::string, uint64_t> fingerprints;
  for (const gold::FeatureViewPtr& view : service.views) {
    fingerprints[view->name()] = view_fingerprint(*view);
  }
  for (const gold::DerivedNode& node : service.derived) {
    if (project_.derived.count(node.view->name()) > 0) {
      fingerprints["derived/" + node.view->name()] = derived_fingerprint(node.view->name());
    }
  }
  const auto definition = project_.services.find(service.name);
  const bool looks_up =
      definition != project_.services.end() &&
      std::any_of(definition->second.items.begin(),
                  definition->second.items.end(),
                  [](const catalog::ServiceItem& item) { return !item.by.empty(); });
  if (looks_up) {  // its own entries say whose features these are
    fingerprints["service/" + service.name] = hash_bytes(catalog::service_json(definition->second));
  }
  for (const gold::OnDemandViewPtr& view : service.on_demand) {
    fingerprints["on_demand/" + view->name()] =
        hash_bytes(catalog::on_demand_json(project_.on_demand.at(view->name())));
  }
  return fingerprints;
}

Result<std::string> Workspace::versioned_key(const std::string& base,
                                             uint64_t fingerprint,
                                             const catalog::StorageDef& storage) {
  for (int number = 1;; ++number) {
    const std::string key = base + (number == 1 ? "" : "_v" + std::to_string(number));
    Result<lake::DeltaTable*> existing = table(key);
    if (!existing.ok() && existing.code() != Code::kNotFound) {
      return existing.status();
    }
    std::optional<int64_t> found;
    if (existing.ok()) {
      ASSAY_ASSIGN_OR_RETURN(const auto snapshot, (*existing)->snapshot());
      found = snapshot->txn(app_id(key) + "/fingerprint");
    }
    // A table without a fingerprint was made, and nothing was committed to it yet.
    if (!found.has_value() || *found == static_cast<int64_t>(fingerprint >> 1)) {
      fingerprints_[key] = fingerprint;
      if (storage.format.has_value()) {
        formats_[key] = *storage.format;
      }
      return key;
    }
  }
}

Result<lake::TxnUpdate> Workspace::fingerprint_update(lake::DeltaTable& table) {
  const auto fingerprint = fingerprints_.find(table.key());
  ASSAY_CHECK(fingerprint != fingerprints_.end());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  const std::string id = app_id(table.key()) + "/fingerprint";
  // `txn` holds 63 bits: versions are not negative.
  return lake::TxnUpdate{id, static_cast<int64_t>(fingerprint->second >> 1), snapshot->txn(id)};
}

Result<std::vector<std::string>> Workspace::current_tables() {
  std::vector<std::string> keys;
  for (const auto& [name, definition] : project_.bronze) {
    ASSAY_ASSIGN_OR_RETURN(keys.emplace_back(), bronze_table_key(name));
  }
  for (const auto& [name, definition] : project_.silver) {
    ASSAY_ASSIGN_OR_RETURN(keys.emplace_back(), silver_table_key(name));
  }
  for (const auto& [name, definition] : project_.views) {
    if (!project_.has_lake) {
      break;
    }
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr compiled, view(name));
    ASSAY_ASSIGN_OR_RETURN(keys.emplace_back(), steps_table_key(*compiled));
  }
  return keys;
}

Result<std::string> Workspace::bronze_table_key(const std::string& name) {
  if (!project_.has_lake) {
    return positions_key("bronze/" + name, name, bronze_fingerprint(name));
  }
  return versioned_key(
      "bronze/" + name, bronze_fingerprint(name), project_.bronze.at(name).storage);
}

Result<std::string> Workspace::silver_table_key(const std::string& name) {
  if (!project_.has_lake) {
    return positions_key("silver/" + name, project_.silver.at(name).from, silver_fingerprint(name));
  }
  return versioned_key(
      "silver/" + name, silver_fingerprint(name), project_.silver.at(name).storage);
}

Result<std::string> Workspace::steps_table_key(const gold::FeatureView& view) {
  if (!project_.has_lake) {
    return "gold/" + view.name();  // which is not there
  }
  return versioned_key(
      "gold/" + view.name(), view_fingerprint(view), project_.views.at(view.name()).storage);
}

Result<online::OnlineStore*> Workspace::online(bool read_only) {
  if (online_beside_ != nullptr) {
    return online_beside_;
  }
  if (online_ == nullptr) {
    ASSAY_RETURN_IF_ERROR(check_views_from_feast(project_));
    ASSAY_ASSIGN_OR_RETURN(
        online_, online::open_online_store(world_, project_.online, read_only, project_.name));
  }
  return online_.get();
}

Result<EventTime> Workspace::serving_now() {
  if (project_.serving_clock == catalog::ServingClock::kWall) {
    return world_.clock.now();
  }
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, online(true));
  return store->data_now();
}

std::optional<EventTime> Workspace::serving_instant() {
  const Result<EventTime> now = serving_now();
  return now.ok() ? std::optional(*now) : std::nullopt;
}

Result<data::Batch> Workspace::read_table(const std::string& key,
                                          const std::string& columns,
                                          const std::string& where,
                                          const std::string& order) {
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * source, table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, source->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, source->relation(*snapshot, where));
  return sql_->query("SELECT " + columns + " FROM " + relation +
                     (order.empty() ? "" : " ORDER BY " + order));
}

}  // namespace assay::flow
