// Tables, all in one SQLite file (docs/formats/catalog.md):
//
//   migrations(version, applied_at)                          what brought the file here; PRAGMA
//   user_version objects(kind, name, version, json, outputs, removed, applied_at)   a row per
//   version of a definition source_files(source, ordinal, path, begin_bytes, end_bytes,
//   fingerprint, modified) runs(id, command, started, finished, status, account) models(name,
//   version, stage, created, card, bytes) projects(version, profile, completed)
//   project_files(version, path, text) project_views(version, view)   complete definitions
//   model_files(name, version, path, text)   definitions that a model was trained under
//   served_models(id, name, version, stage, since, until, as_of)   which version was served when
//
// Times are microseconds since the epoch, UTC.

#include "catalog/catalog_store.h"

#include <array>
#include <utility>

#include "catalog/sqlite_catalog.h"

namespace assay::catalog {
namespace {

/// "assa", so that another program's file is not taken for ours.
constexpr int64_t kApplicationId = 0x61737361;

/// Statement lists, one per version from 1 on. Never change one that has been released: add
/// another.
constexpr std::array<const char*, 3> kMigrations{
    "CREATE TABLE objects(kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
    " json TEXT NOT NULL, outputs TEXT NOT NULL, removed INTEGER NOT NULL, applied_at INTEGER NOT "
    "NULL,"
    " PRIMARY KEY(kind, name, version)) WITHOUT ROWID;"
    "CREATE TABLE source_files(source TEXT NOT NULL, ordinal INTEGER NOT NULL, path TEXT NOT NULL,"
    " begin_bytes INTEGER NOT NULL, end_bytes INTEGER NOT NULL, fingerprint INTEGER NOT NULL,"
    " modified INTEGER NOT NULL, PRIMARY KEY(source, ordinal)) WITHOUT ROWID;"
    "CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, command TEXT NOT NULL, started "
    "INTEGER NOT NULL,"
    " finished INTEGER, status TEXT NOT NULL, account TEXT NOT NULL);"
    "CREATE TABLE models(name TEXT NOT NULL, version INTEGER NOT NULL, stage TEXT NOT NULL,"
    " created INTEGER NOT NULL, card TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(name, "
    "version));",
    "CREATE TABLE projects(version INTEGER PRIMARY KEY, profile TEXT NOT NULL, completed INTEGER "
    "NOT NULL);"
    "CREATE TABLE project_files(version INTEGER NOT NULL, path TEXT NOT NULL, text TEXT NOT NULL,"
    " PRIMARY KEY(version, path)) WITHOUT ROWID;"
    "CREATE TABLE project_views(version INTEGER NOT NULL, view TEXT NOT NULL,"
    " PRIMARY KEY(version, view)) WITHOUT ROWID;",
    "CREATE TABLE model_files(name TEXT NOT NULL, version INTEGER NOT NULL, path TEXT NOT NULL,"
    " text TEXT NOT NULL, PRIMARY KEY(name, version, path)) WITHOUT ROWID;"
    "CREATE TABLE served_models(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version "
    "INTEGER NOT NULL,"
    " stage TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, as_of INTEGER);"
    "CREATE INDEX served_models_of ON served_models(name, id);"
    // Of all that is asked each second; the cards and bytes lie beside it.
    "CREATE INDEX models_served ON models(name, stage, version);"
    "INSERT INTO served_models(name, version, stage, since) SELECT name, version, stage,"
    " (SELECT applied_at FROM migrations WHERE version = 3) FROM models AS m WHERE version ="
    " (SELECT version FROM models WHERE name = m.name ORDER BY stage = 'production' DESC,"
    " version DESC LIMIT 1) ORDER BY name;"};

/// The complete definitions after which those of the same profile need other rows, and the newest
/// ones: of several that need the same rows, the newest.
constexpr char kLastOfTheirRows[] =
    "(SELECT version, profile, completed FROM (SELECT *, (SELECT n.version FROM projects AS n WHERE"
    " n.profile = p.profile AND n.version > p.version ORDER BY n.version LIMIT 1) AS next FROM"
    " projects AS p) AS f WHERE next IS NULL"
    " OR EXISTS (SELECT view FROM project_views WHERE version = f.version EXCEPT"
    " SELECT view FROM project_views WHERE version = f.next)"
    " OR EXISTS (SELECT view FROM project_views WHERE version = f.next EXCEPT"
    " SELECT view FROM project_views WHERE version = f.version))";

/// A damaged file says what to do about it, wherever it shows.
Status advise(Status status, const std::string& path) {
  if (status.code() != Code::kCorrupt) {
    return status;
  }
  return {Code::kCorrupt,
          "the catalog is damaged (" + status.message() +
              "); restore it from a backup with its -wal file. To begin anew, move it away "
              "together with the "
              "lake and the online store, whose positions it explains, then `assay apply` and "
              "`assay run`: " +
              path};
}

}  // namespace

Result<std::vector<SqlRow>> SqliteCatalog::query(const std::string& sql, const SqlRow& values) {
  Result<std::vector<SqlRow>> rows = database_->query(sql, values);
  if (!rows.ok()) {
    return advise(std::move(rows).status(), path_);
  }
  return rows;
}

Status SqliteCatalog::transaction(const std::function<Status()>& work) {
  return advise(database_->transaction(work), path_);
}

Result<int64_t> SqliteCatalog::pragma(const char* name) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows, query(std::string("PRAGMA ") + name));
  return rows.empty() ? 0 : integer_of(rows[0].at(0));
}

Status SqliteCatalog::migrate() {
  // One statement, one snapshot: another opener may be migrating meanwhile.
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT (SELECT user_version FROM pragma_user_version),"
            " (SELECT application_id FROM pragma_application_id), count(*) FROM sqlite_master"));
  const int64_t version = integer_of(rows.at(0).at(0));
  const int64_t application = integer_of(rows[0].at(1));
  if (application != kApplicationId &&
      (application != 0 || version != 0 || integer_of(rows[0].at(2)) > 0)) {
    return {Code::kCorrupt,
            "the file is a database of another program, not a catalog; name another file "
            "under `catalog:` in assay.yaml: " +
                path_};
  }
  const Status known = check_known(version);
  if (!known.ok() || version == static_cast<int64_t>(kMigrations.size())) {
    return known;
  }
  return transaction([&]() -> Status {
    ASSAY_ASSIGN_OR_RETURN(const int64_t current,
                           pragma("user_version"));  // another may have been faster
    ASSAY_RETURN_IF_ERROR(check_known(current));     // or newer
    return current < static_cast<int64_t>(kMigrations.size()) ? migrate_from(current) : Status();
  });
}

Status SqliteCatalog::check_known(int64_t version) const {
  return version <= static_cast<int64_t>(kMigrations.size())
             ? Status()
             : Status(Code::kFailedPrecondition,
                      "the catalog was made by a newer version of assay (schema " +
                          std::to_string(version) + "); use that version: " + path_);
}

Status SqliteCatalog::migrate_from(int64_t version) {
  ASSAY_RETURN_IF_ERROR(
      database_->execute("CREATE TABLE IF NOT EXISTS migrations(version INTEGER PRIMARY KEY, "
                         "applied_at INTEGER NOT NULL)"));
  for (auto next = static_cast<std::size_t>(version); next < kMigrations.size(); ++next) {
    ASSAY_RETURN_IF_ERROR(query("INSERT INTO migrations VALUES(?, ?)",
                                {static_cast<int64_t>(next) + 1, world_.clock.now().micros})
                              .status());
    ASSAY_RETURN_IF_ERROR(database_->execute(kMigrations[next]));
  }
  return database_->execute("PRAGMA application_id=" + std::to_string(kApplicationId) +
                            "; PRAGMA user_version=" + std::to_string(kMigrations.size()));
}

namespace {

AppliedObject object_of(const SqlRow& row) {
  return {text_of(row.at(0)),
          text_of(row.at(1)),
          integer_of(row.at(2)),
          text_of(row.at(3)),
          text_of(row.at(4)),
          integer_of(row.at(5)) != 0,
          EventTime{integer_of(row.at(6))}};
}

}  // namespace

Result<std::vector<AppliedObject>> SqliteCatalog::newest_objects(const std::string& condition) {
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT kind, name, version, json, outputs, removed, applied_at FROM objects AS o "
            "WHERE version ="
            " (SELECT max(version) FROM objects WHERE kind = o.kind AND name = o.name) " +
            condition + " ORDER BY kind, name"));
  std::vector<AppliedObject> objects;
  for (const SqlRow& row : rows) {
    objects.push_back(object_of(row));
  }
  return objects;
}

Status SqliteCatalog::put_object(const AppliedObject& object) {
  return query("INSERT INTO objects VALUES(?, ?, ?, ?, ?, ?, ?)",
               {object.kind,
                object.name,
                object.version,
                object.json,
                object.outputs,
                int64_t{object.removed ? 1 : 0},
                world_.clock.now().micros})
      .status();
}

Result<ApplyOutcome> SqliteCatalog::apply(const Project& project, const OutputTypes& outputs) {
  const std::lock_guard lock(mutex_);
  ApplyOutcome outcome;
  ASSAY_RETURN_IF_ERROR(transaction([&] { return apply_objects(project, outputs, &outcome); }));
  return outcome;
}

Status SqliteCatalog::apply_objects(const Project& project,
                                    const OutputTypes& outputs,
                                    ApplyOutcome* outcome) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<AppliedObject> known, newest_objects(""));
  Versions newest;
  for (AppliedObject& object : known) {
    newest[{object.kind, object.name}] = std::move(object);
  }
  for (const ObjectJson& object : project_objects(project)) {
    const auto types = outputs.find(object.name);
    const bool typed = object.kind == "feature_view" && types != outputs.end();
    AppliedObject next{object.kind,
                       object.name,
                       1,
                       object.json,
                       typed ? outputs_json(types->second) : "",
                       false,
                       {}};
    const auto old = newest.find({object.kind, object.name});
    if (old != newest.end()) {
      const AppliedObject& last = old->second;
      const bool same = !last.removed && last.json == next.json &&
                        (next.outputs.empty() || last.outputs == next.outputs);
      next.version = last.version + 1;
      outcome->unchanged += same ? 1 : 0;
      outcome->changed += !same && !last.removed ? 1 : 0;
      outcome->added += last.removed ? 1 : 0;
      newest.erase(old);
      if (same) {
        continue;
      }
    } else {
      ++outcome->added;
    }
    ASSAY_RETURN_IF_ERROR(put_object(next));
  }
  return remove_objects(newest, outcome);
}

Status SqliteCatalog::remove_objects(const Versions& gone, ApplyOutcome* outcome) {
  for (const auto& [id, object] : gone) {
    if (!object.removed) {
      ++outcome->removed;
      ASSAY_RETURN_IF_ERROR(
          put_object({object.kind, object.name, object.version + 1, "", "", true, {}}));
    }
  }
  return {};
}

Result<std::vector<AppliedObject>> SqliteCatalog::applied() {
  const std::lock_guard lock(mutex_);
  return newest_objects("AND removed = 0");
}

Result<std::vector<AppliedObject>> SqliteCatalog::history(const std::string& kind,
                                                          const std::string& name) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT kind, name, version, json, outputs, removed, applied_at FROM objects"
            " WHERE kind = ? AND name = ? ORDER BY version",
            {kind, name}));
  std::vector<AppliedObject> objects;
  for (const SqlRow& row : rows) {
    objects.push_back(object_of(row));
  }
  return objects;
}

Result<std::vector<SourceFileRow>> SqliteCatalog::source_files(const std::string& source) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows,
                         query("SELECT ordinal, path, begin_bytes, end_bytes, fingerprint, modified"
                               " FROM source_files WHERE source = ? ORDER BY ordinal",
                               {source}));
  std::vector<SourceFileRow> files;
  for (const SqlRow& row : rows) {
    files.push_back({integer_of(row.at(0)),
                     text_of(row.at(1)),
                     integer_of(row.at(2)),
                     integer_of(row.at(3)),
                     static_cast<uint64_t>(integer_of(row.at(4))),
                     EventTime{integer_of(row.at(5))}});
  }
  return files;
}

Status SqliteCatalog::add_source_files(const std::string& source,
                                       const std::vector<SourceFileRow>& files) {
  const std::lock_guard lock(mutex_);
  return transaction([&]() -> Status {
    for (const SourceFileRow& file : files) {
      const Status status = query("INSERT INTO source_files VALUES(?, ?, ?, ?, ?, ?, ?)",
                                  {source,
                                   file.ordinal,
                                   file.path,
                                   file.begin_bytes,
                                   file.end_bytes,
                                   static_cast<int64_t>(file.fingerprint),
                                   file.modified.micros})
                                .status();
      if (status.code() == Code::kAlreadyExists) {
        return {Code::kAlreadyExists,
                "file number " + std::to_string(file.ordinal) + " of source `" + source +
                    "` is taken; did another process read it? " + file.path};
      }
      ASSAY_RETURN_IF_ERROR(status);
    }
    return {};
  });
}

Status SqliteCatalog::complete_project(const std::string& profile,
                                       const DefinitionTexts& texts,
                                       const std::vector<std::string>& online_views) {
  const std::lock_guard lock(mutex_);
  return transaction([&]() -> Status {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<CompleteProject> newest, newest_projects(profile, 1));
    if (!newest.empty() && newest.front().texts == texts &&
        newest.front().online_views == online_views) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows,
                           query("SELECT coalesce(max(version), 0) + 1 FROM projects"));
    const int64_t version = integer_of(rows.at(0).at(0));
    ASSAY_RETURN_IF_ERROR(
        query("INSERT INTO projects VALUES(?, ?, ?)", {version, profile, world_.clock.now().micros})
            .status());
    for (const auto& [path, text] : texts) {
      ASSAY_RETURN_IF_ERROR(
          query("INSERT INTO project_files VALUES(?, ?, ?)", {version, path, text}).status());
    }
    for (const std::string& view : online_views) {
      ASSAY_RETURN_IF_ERROR(
          query("INSERT INTO project_views VALUES(?, ?)", {version, view}).status());
    }
    return {};
  });
}

Result<std::vector<CompleteProject>> SqliteCatalog::complete_projects(const std::string& profile,
                                                                      int64_t count) {
  const std::lock_guard lock(mutex_);
  return newest_projects(profile, count);
}

Result<std::optional<int64_t>> SqliteCatalog::complete_version(const std::string& profile) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows,
                         query("SELECT max(version) FROM projects WHERE profile = ?", {profile}));
  const auto* version = std::get_if<int64_t>(&rows.at(0).at(0));
  return version == nullptr ? std::nullopt : std::optional(*version);
}

Result<std::set<std::string>> SqliteCatalog::complete_views(int64_t count) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query(
          "SELECT DISTINCT view FROM project_views WHERE version IN (SELECT version FROM (SELECT"
          " version, row_number() OVER (PARTITION BY profile ORDER BY version DESC) AS age FROM " +
              std::string(kLastOfTheirRows) + ") WHERE age <= ?)",
          {count}));
  std::set<std::string> views;
  for (const SqlRow& row : rows) {
    views.insert(text_of(row.at(0)));
  }
  return views;
}

Result<std::optional<CompleteProject>> SqliteCatalog::complete_project_of(
    const std::string& profile, const std::string& online_view) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT version, completed FROM projects JOIN project_views USING(version)"
            " WHERE profile = ? AND view = ? ORDER BY version DESC LIMIT 1",
            {profile, online_view}));
  if (rows.empty()) {
    return std::optional<CompleteProject>();
  }
  ASSAY_ASSIGN_OR_RETURN(CompleteProject project, project_of(profile, rows.front()));
  return std::optional(std::move(project));
}

Result<std::vector<CompleteProject>> SqliteCatalog::newest_projects(const std::string& profile,
                                                                    int64_t count) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows,
                         query("SELECT version, completed FROM " + std::string(kLastOfTheirRows) +
                                   " WHERE profile = ? ORDER BY version DESC LIMIT ?",
                               {profile, count}));
  std::vector<CompleteProject> projects;
  for (const SqlRow& row : rows) {
    ASSAY_ASSIGN_OR_RETURN(CompleteProject project, project_of(profile, row));
    projects.push_back(std::move(project));
  }
  return projects;
}

/// `row`: its version, and when it was completed.
Result<CompleteProject> SqliteCatalog::project_of(const std::string& profile, const SqlRow& row) {
  CompleteProject project;
  project.version = integer_of(row.at(0));
  project.profile = profile;
  project.completed = EventTime{integer_of(row.at(1))};
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> files,
      query("SELECT path, text FROM project_files WHERE version = ?", {project.version}));
  for (const SqlRow& file : files) {
    project.texts[text_of(file.at(0))] = text_of(file.at(1));
  }
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> views,
      query("SELECT view FROM project_views WHERE version = ? ORDER BY view", {project.version}));
  for (const SqlRow& view : views) {
    project.online_views.push_back(text_of(view.at(0)));
  }
  return project;
}

Result<int64_t> SqliteCatalog::start_run(const std::string& command) {
  const std::lock_guard lock(mutex_);
  int64_t id = 0;
  ASSAY_RETURN_IF_ERROR(transaction([&]() -> Status {
    ASSAY_ASSIGN_OR_RETURN(
        const std::vector<SqlRow> rows,
        query("INSERT INTO runs(command, started, status, account) VALUES(?, ?, 'running', '')"
              " RETURNING id",
              {command, world_.clock.now().micros}));
    id = integer_of(rows.at(0).at(0));
    return {};
  }));
  return id;
}

Status SqliteCatalog::finish_run(int64_t id,
                                 const std::string& status,
                                 const std::string& account_json) {
  const std::lock_guard lock(mutex_);
  return transaction([&]() -> Status {
    ASSAY_ASSIGN_OR_RETURN(
        const std::vector<SqlRow> rows,
        query("UPDATE runs SET finished = ?, status = ?, account = ? WHERE id = ? RETURNING id",
              {world_.clock.now().micros, status, account_json, id}));
    return rows.empty() ? Status(Code::kNotFound, "no such run: " + std::to_string(id)) : Status();
  });
}

Result<std::vector<RunRow>> SqliteCatalog::runs(int64_t count, const std::string& command) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows,
                         query("SELECT id, command, started, finished, status, account FROM runs"
                               " WHERE ?1 = '' OR command = ?1 ORDER BY id DESC LIMIT ?2",
                               {command, count}));
  std::vector<RunRow> runs;
  for (const SqlRow& row : rows) {
    RunRow run{integer_of(row.at(0)),
               text_of(row.at(1)),
               EventTime{integer_of(row.at(2))},
               std::nullopt,
               text_of(row.at(4)),
               text_of(row.at(5))};
    if (row.at(3).index() != 0) {
      run.finished = EventTime{integer_of(row.at(3))};
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

Result<std::unique_ptr<CatalogStore>> CatalogStore::open(World& world, const std::string& path) {
  Result<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::open(path);
  if (!database.ok()) {
    return advise(std::move(database).status(), path);
  }
  auto catalog = std::make_unique<SqliteCatalog>(world, path, std::move(database).value());
  ASSAY_RETURN_IF_ERROR(catalog->migrate());
  return std::unique_ptr<CatalogStore>(std::move(catalog));
}

}  // namespace assay::catalog
