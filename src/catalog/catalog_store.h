#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "catalog/definition_files.h"
#include "catalog/definitions.h"
#include "catalog/plan.h"

namespace assay::catalog {

/// What one apply did.
struct ApplyOutcome {
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;
  int64_t unchanged = 0;
};

/// A file of a source, or a part appended to one, with the ordinal that positions carry.
struct SourceFileRow {
  int64_t ordinal = 0;
  std::string path;
  int64_t begin_bytes = 0;
  int64_t end_bytes = 0;
  uint64_t fingerprint = 0;
  EventTime modified;
  bool operator==(const SourceFileRow&) const = default;
};

/// One run of the line, or of a command that writes.
struct RunRow {
  int64_t id = 0;
  std::string command;  // "run", "train", ...
  EventTime started;
  std::optional<EventTime> finished;  // nothing: it runs, or died
  std::string status;                 // "running", then as finish_run says: "ok", "failed", ...
  std::string account_json;           // row accounts of its stages; "" when there are none
};

/// A trained model in the registry. Bytes are read by model() only.
struct ModelRow {
  std::string name;
  int64_t version = 0;  // 1, 2, ... per name
  std::string stage;    // "candidate", "production" or "archived"
  EventTime created;
  std::string card_json;  // data versions, definitions, parameters, metrics
  std::string bytes;
};

/// The version of a model that servers are to answer with: the one in production, else the newest.
struct ServedVersion {
  int64_t version = 0;
  std::string stage;
  bool operator==(const ServedVersion&) const = default;
};

/// How long a version was that one.
struct ServedTime {
  int64_t version = 0;
  std::string stage;  // by which it was: "production", or "candidate" before any was promoted
  EventTime since;
  std::optional<EventTime> until;  // when another took its place; nothing: it still is
  std::optional<EventTime> as_of;  // what serving answered for at `since`; nothing: not known
  bool operator==(const ServedTime&) const = default;
};

/// Definitions for which everything they name has been made: what is served.
struct CompleteProject {
  int64_t version = 0;  // 1, 2, ... per catalog
  std::string profile;  // they were read with; "" for none
  DefinitionTexts texts;
  std::vector<std::string> online_views;  // storage names of their rows in the online store
  EventTime completed;
};

/// The catalog: what is applied, which files were read, runs and models, in one SQLite file (WAL).
///
/// Errors  kCorrupt: the file is no catalog or is damaged, with its path and what to do;
///         kFailedPrecondition: made by a newer version; kUnavailable: another process holds it
///         longer than 10 s; kResourceExhausted: disk full; kPermissionDenied.
/// Threads thread-safe; several processes may share a catalog.
/// Source  docs/formats/catalog.md
class CatalogStore {
 public:
  /// Open the file, or make it; older catalogs are brought up to date. The world must outlive it.
  static Result<std::unique_ptr<CatalogStore>> open(World& world, const std::string& path);
  virtual ~CatalogStore() = default;

  /// Make the project's definitions the applied ones: what changed gets a new version, what is gone
  /// is marked removed, all in one transaction. `outputs` as output_types() gives it.
  virtual Result<ApplyOutcome> apply(const Project& project, const OutputTypes& outputs = {}) = 0;
  /// Newest version of every definition that is not removed, by kind and name.
  virtual Result<std::vector<AppliedObject>> applied() = 0;
  /// All versions of one definition, oldest first; empty when it was never applied.
  virtual Result<std::vector<AppliedObject>> history(const std::string& kind,
                                                     const std::string& name) = 0;

  /// Files of a source by ordinal.
  virtual Result<std::vector<SourceFileRow>> source_files(const std::string& source) = 0;
  /// Remember files behind the known ones: all of them or none, durable at return. kAlreadyExists:
  /// an ordinal is taken (another process was faster).
  virtual Status add_source_files(const std::string& source,
                                  const std::vector<SourceFileRow>& files) = 0;

  /// Note that everything these definitions name is made: from now on they are served. Nothing
  /// changes when the newest complete ones are the same.
  virtual Status complete_project(const std::string& profile,
                                  const DefinitionTexts& texts,
                                  const std::vector<std::string>& online_views) = 0;
  /// The newest `count` complete definitions of a profile, newest first. Those that follow each
  /// other and need the same rows in the online store count as one: the newest of them.
  virtual Result<std::vector<CompleteProject>> complete_projects(const std::string& profile,
                                                                 int64_t count) = 0;
  /// The newest complete definitions of a profile that need these rows; nothing when none did.
  virtual Result<std::optional<CompleteProject>> complete_project_of(
      const std::string& profile, const std::string& online_view) = 0;
  /// Version of the newest complete definitions of a profile; nothing when none ever were. Cheap:
  /// servers ask every second.
  virtual Result<std::optional<int64_t>> complete_version(const std::string& profile) = 0;
  /// Storage names that the newest `count` of complete_projects of every profile need.
  virtual Result<std::set<std::string>> complete_views(int64_t count) = 0;

  /// Note that a run began; gives its id.
  virtual Result<int64_t> start_run(const std::string& command) = 0;
  /// Note how it ended. kNotFound: no such run.
  virtual Status finish_run(int64_t id,
                            const std::string& status,
                            const std::string& account_json) = 0;
  /// The newest `count` runs, newest first; of one command when it is not "".
  virtual Result<std::vector<RunRow>> runs(int64_t count, const std::string& command = "") = 0;

  /// Register a trained model as the next version of its name, stage "candidate"; gives the
  /// version. `definitions` are those that it was trained under; `as_of` is the instant that
  /// serving answers for by now.
  virtual Result<int64_t> add_model(const std::string& name,
                                    const std::string& card_json,
                                    const std::string& bytes,
                                    const DefinitionTexts& definitions = {},
                                    std::optional<EventTime> as_of = {}) = 0;
  /// All models, or those of one name, by name and version; without their bytes.
  virtual Result<std::vector<ModelRow>> models(const std::string& name = "") = 0;
  /// One model with its bytes: the version asked for, else the one in production, else the newest.
  /// kNotFound tells to train.
  virtual Result<ModelRow> model(const std::string& name, std::optional<int64_t> version = {}) = 0;
  /// The definitions that a version was trained under; empty: not known, it is older than that.
  virtual Result<DefinitionTexts> model_definitions(const std::string& name, int64_t version) = 0;
  /// Put a version into production; the one that was there is archived. kNotFound: no such version.
  /// `as_of` as of add_model().
  virtual Status promote_model(const std::string& name,
                               int64_t version,
                               std::optional<EventTime> as_of = {}) = 0;
  /// Of each model the version that model() gives without one. Cheap: servers ask every second.
  virtual Result<std::map<std::string, ServedVersion>> served_versions() = 0;
  /// Which versions that were, oldest first, as far back as this catalog has kept it.
  virtual Result<std::vector<ServedTime>> served_times(const std::string& name) = 0;
};

}  // namespace assay::catalog
