#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/world.h"
#include "catalog/catalog_store.h"
#include "catalog/definition_files.h"
#include "catalog/definitions.h"
#include "catalog/feature_registry.h"
#include "catalog/parse.h"
#include "catalog/plan.h"
#include "data/sql_engine.h"
#include "gold/service.h"
#include "lake/delta_table.h"
#include "online/online_store.h"
#include "silver/silver_operator.h"
#include "store/object_store.h"

namespace assay::flow {

/// Which definitions a workspace has: those in the project's files, or those that are served: the
/// newest ones for which everything was made (the files' own as long as there are none).
enum class Definitions { kFiles, kServed };

struct WorkspaceOptions {
  int threads = 2;
  std::size_t memory_bytes_max = std::size_t{2} << 30;
  std::string profile;  // of assay.yaml; "" for none
  Definitions definitions = Definitions::kFiles;
};

/// The folder in a project's own that keeps what is not for its user.
inline constexpr char kStateFolder[] = ".assay";

/// `"a", "b"`: names as SQL takes them, for a SELECT list.
std::string column_list(const std::vector<std::string>& names);

/// A project with everything opened that its definitions name: lake, catalog, online store, SQL.
///
/// Errors of every call name what could not be opened and what to try next.
/// Threads one thread at a time.
class Workspace {
 public:
  /// Read and check the definitions in `folder`; open the stores.
  ///
  /// Errors  kNotFound: no assay.yaml; kInvalidArgument: definitions that do not check, all of them
  /// in
  ///         the message, one per line with file, line and column.
  /// `diagnostics`, when given, takes all findings, also when opening fails because of them.
  static Result<std::unique_ptr<Workspace>> open(World& world,
                                                 const std::string& folder,
                                                 const WorkspaceOptions& options,
                                                 catalog::Diagnostics* diagnostics = nullptr);

  /// The same project with the same definitions once more, for a thread beside the other one's: its
  /// own tables, SQL and catalog, and the other's online store, which must outlive it. What does
  /// not fit in memory goes to the folder `spill`, which no other one at work may have.
  static Result<std::unique_ptr<Workspace>> open_beside(Workspace& other,
                                                        const std::string& spill = "spill_beside");

  /// The same project with other definitions, as these texts say them: its lake, catalog and online
  /// store are those of `other`. For questions about what was defined then.
  ///
  /// Errors  kInvalidArgument: this program does not understand the texts.
  static Result<std::unique_ptr<Workspace>> open_with(Workspace& other,
                                                      const catalog::DefinitionTexts& texts,
                                                      const std::string& spill);

  World& world() { return world_; }
  [[nodiscard]] const catalog::Project& project() const { return project_; }
  /// What it was read from, and with which profile.
  [[nodiscard]] const catalog::DefinitionTexts& definitions() const { return texts_; }
  [[nodiscard]] const std::string& profile() const { return options_.profile; }
  data::SqlEngine& sql() { return *sql_; }
  store::ObjectStore& store() { return *store_; }
  catalog::CatalogStore& catalog() { return *catalog_; }

  /// What the files say against what was last applied; and make the files' word the applied one.
  Result<catalog::Plan> plan();
  Result<catalog::ApplyOutcome> apply();
  /// Every feature of the project with its type, versions and who uses it.
  Result<std::vector<catalog::RegisteredFeature>> feature_registry();
  /// Fail unless the files say what was last applied. kFailedPrecondition tells to run `assay
  /// apply`.
  Status require_applied();
  /// Everything that these definitions name is made: serve them from now on. Rows in the online
  /// store that neither they nor the complete ones before them need are dropped.
  Status mark_complete();
  /// Of Definitions::kServed: the version of the complete definitions that this workspace has
  /// (none: nothing was ever complete, it has the files'), and whether the files say something else
  /// by now.
  [[nodiscard]] std::optional<int64_t> served_version() const { return served_version_; }
  [[nodiscard]] bool serves_older() const { return serves_older_; }

  /// Whether that was done for these definitions, and for none since.
  Result<bool> is_complete();

  /// Only one process at a time may run stages of a project: hold this while they run.
  Result<std::unique_ptr<FileLock>> lock_for_writing();
  /// Processes that share a project's topics hold this instead, any number of them. One of them
  /// runs the stages: who holds lock_for_leading().
  ///
  /// Errors  kFailedPrecondition: a process runs stages alone, or others share that were started
  ///         with other definitions; another one leads.
  Result<std::unique_ptr<FileLock>> lock_for_sharing();
  Result<std::unique_ptr<FileLock>> lock_for_leading();
  /// They take turns in committing to a bronze table.
  Result<std::unique_ptr<FileLock>> lock_for_commits(const std::string& bronze);
  /// A number of the project's folder, larger than 0.
  Result<int64_t> share_number();
  /// The name of the group of brokers in which they share a bronze table's topics.
  Result<std::string> sharing_group(const std::string& bronze);

  /// An existing table; kNotFound tells to run `assay run`.
  Result<lake::DeltaTable*> table(const std::string& key);
  Result<lake::DeltaTable*> open_or_create_table(const std::string& key,
                                                 const lake::TableSpec& spec);

  // A table belongs to a definition: its commits carry the definition's fingerprint, which covers
  // all that the table is made from. A changed definition gets a new table ("silver/x_v2"), made
  // again from what is before it; the old one stays.
  // docs/decisions/0011-tables-belong-to-definitions.md

  /// Whether a bronze table's source is read part by part, side by side (Kafka).
  [[nodiscard]] bool reads_parts(const std::string& bronze) const {
    return project_.sources.at(project_.bronze.at(bronze).source).kafka.has_value();
  }

  /// Of such a source: how long a partition without rows holds up what is late.
  [[nodiscard]] Duration idle_timeout(const std::string& bronze) const {
    return project_.sources.at(project_.bronze.at(bronze).source).kafka->idle_timeout;
  }

  // Without a lake (`lake: none`) tables hold positions and no rows, in the project's own folder.
  // docs/decisions/0112-no-lake.md

  /// Without a lake: leave the positions that a bronze table and the silver tables over it have,
  /// and begin new ones. Pointers to these tables are no longer good.
  Status begin_new_positions(const std::string& bronze);
  /// Whether there are any, of whatever definition.
  Result<bool> has_positions(const std::string& bronze);
  /// Whether a table was made for the definition as it is now, or is not there.
  Result<bool> is_of_definition(const std::string& key);

  /// Key of the bronze or silver table of this name, as it is defined now. Whether it exists is
  /// another matter.
  Result<std::string> bronze_table_key(const std::string& name);
  Result<std::string> silver_table_key(const std::string& name);
  /// The same for a name that views, lookups and models read from: the silver table, else the
  /// bronze one.
  Result<std::string> source_table_key(const std::string& name);
  /// Keys of all tables as they are defined now: bronze, silver and steps tables.
  Result<std::vector<std::string>> current_tables();
  /// Keys of those of them that the definitions want as plain Parquet, as far as they were asked
  /// for.
  [[nodiscard]] std::vector<std::string> plain_parquet_tables() const;
  /// Fingerprint of a view and of everything before it.
  [[nodiscard]] uint64_t view_fingerprint(const gold::FeatureView& view) const;
  /// Fingerprints of everything that decides the values of a service: its views, by name, and its
  /// derived and on-demand views, as "derived/<name>" and "on_demand/<name>". A model is pinned to
  /// them.
  [[nodiscard]] std::map<std::string, uint64_t> service_fingerprints(
      const gold::Service& service) const;
  /// The key `base`, or `base`_v2, ...: the first whose table does not exist yet or belongs to this
  /// fingerprint.
  Result<std::string> versioned_key(const std::string& base,
                                    uint64_t fingerprint,
                                    const catalog::StorageDef& storage = {});
  /// The positions that every commit to the table of a definition carries: its fingerprint.
  Result<lake::TxnUpdate> fingerprint_update(lake::DeltaTable& table);
  Result<data::SchemaPtr> source_schema(const std::string& name);
  /// Instant before which no row that is still to come can become visible, for a snapshot of the
  /// source table `name`: its watermark. A bronze table has none: EventTime::min().
  Result<EventTime> frontier(const std::string& name, const lake::Snapshot& snapshot);
  Result<silver::SilverOperator*> silver_operator(const std::string& name);
  Result<gold::FeatureViewPtr> view(const std::string& name);
  Result<std::shared_ptr<const gold::Service>> service(const std::string& name);
  /// A service that the project need not have, over the project's views.
  Result<std::shared_ptr<const gold::Service>> compile(const catalog::ServiceDef& definition);
  /// Key of the steps table that holds this view as it is defined now, e.g. "gold/clicks".
  Result<std::string> steps_table_key(const gold::FeatureView& view);
  /// The online store; opened for writing unless it was opened read-only before.
  Result<online::OnlineStore*> online(bool read_only);

  /// The instant at which serving answers: the machine's clock, or the newest instant in the online
  /// store.
  Result<EventTime> serving_now();
  /// The same; nothing when the store cannot be asked.
  std::optional<EventTime> serving_instant();

  /// The `txn` application id under which this project keeps positions in a table.
  [[nodiscard]] std::string app_id(const std::string& table_key) const {
    return project_.name + "/" + table_key;
  }

  /// SQL over columns of a table's newest version: "SELECT <columns> FROM <relation> <rest>".
  Result<data::Batch> read_table(const std::string& key,
                                 const std::string& columns,
                                 const std::string& where,
                                 const std::string& order);

 private:
  Workspace(World& world, const WorkspaceOptions& options) : world_(world), options_(options) {}
  Result<catalog::ParsedProject> load_definitions(catalog::DefinitionFiles& files,
                                                  const std::string& folder,
                                                  catalog::Diagnostics* diagnostics);
  Status load_served_definitions();
  /// Definitions of texts, with the stores of a project.
  Status take_definitions(catalog::DefinitionTexts texts, const catalog::Project& stores);
  /// Tables, catalog and SQL of its own, in the places of another one.
  Status open_stores_of(Workspace& other, const std::string& spill);
  Result<data::SchemaPtr> silver_schema(const catalog::Project& project, const std::string& name);
  Result<std::unique_ptr<silver::SilverOperator>> make_silver_operator(
      const catalog::Project& project, const std::string& name);
  catalog::OutputTypes output_types();
  [[nodiscard]] uint64_t bronze_fingerprint(const std::string& name) const;
  [[nodiscard]] uint64_t derived_fingerprint(const std::string& name) const;
  [[nodiscard]] uint64_t silver_fingerprint(const std::string& name) const;
  [[nodiscard]] uint64_t source_fingerprint(const std::string& name) const;
  Status set_format(lake::DeltaTable& table);
  /// How often positions were begun anew.
  Result<int64_t> generation(const std::string& bronze);
  Status say_definitions(const std::string& lock_path);
  /// Of the definitions that this workspace has.
  [[nodiscard]] std::string definitions_word() const;
  Result<std::string> share_id();
  /// As versioned_key, of the table that has a definition's positions where there is no lake.
  Result<std::string> positions_key(const std::string& base,
                                    const std::string& bronze,
                                    uint64_t fingerprint);

  Status remove_positions(const std::string& base);
  Result<std::vector<std::string>> online_views();

  World& world_;
  WorkspaceOptions options_;
  catalog::Project project_;
  catalog::DefinitionTexts texts_;  // of the definitions
  std::optional<int64_t> served_version_;
  bool serves_older_ = false;
  std::unique_ptr<data::SqlEngine> sql_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<catalog::CatalogStore> catalog_;
  std::unique_ptr<online::OnlineStore> online_;
  online::OnlineStore* online_beside_ = nullptr;  // of the workspace that this one is beside
  catalog::LakeS3Settings s3_;
  std::map<std::string, std::unique_ptr<lake::DeltaTable>> tables_;
  std::map<std::string, int64_t> generations_;           // by bronze table, without a lake
  std::map<std::string, uint64_t> fingerprints_;         // by key of the table they belong to
  std::map<std::string, catalog::TableFormat> formats_;  // where the definition says one
  std::map<std::string, std::unique_ptr<silver::SilverOperator>> silver_operators_;
  std::map<std::string, gold::FeatureViewPtr> views_;
};

}  // namespace assay::flow
