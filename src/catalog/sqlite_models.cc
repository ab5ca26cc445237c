// The registry of models, in the catalog's file.

#include <utility>

#include "catalog/sqlite_catalog.h"

namespace assay::catalog {
namespace {

constexpr char kCandidate[] = "candidate";
constexpr char kProduction[] = "production";
constexpr char kArchived[] = "archived";

}  // namespace

Result<int64_t> SqliteCatalog::add_model(const std::string& name,
                                         const std::string& card_json,
                                         const std::string& bytes,
                                         const DefinitionTexts& definitions,
                                         std::optional<EventTime> as_of) {
  const std::lock_guard lock(mutex_);
  int64_t version = 0;
  const Status added = transaction([&]() -> Status {
    ASSAY_ASSIGN_OR_RETURN(
        const std::vector<SqlRow> rows,
        query(
            "INSERT INTO models SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3, ?4, ?5 FROM "
            "models"
            " WHERE name = ?1 RETURNING version",
            {name, std::string(kCandidate), world_.clock.now().micros, card_json, SqlBlob{bytes}}));
    version = integer_of(rows.at(0).at(0));
    for (const auto& [path, text] : definitions) {
      ASSAY_RETURN_IF_ERROR(
          query("INSERT INTO model_files VALUES(?, ?, ?, ?)", {name, version, path, text})
              .status());
    }
    ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> promoted,
                           query("SELECT version FROM models WHERE name = ? AND stage = ?",
                                 {name, std::string(kProduction)}));
    return promoted.empty() ? begin_serving(name, version, kCandidate, as_of) : Status();
  });
  return added.ok() ? Result<int64_t>(version) : added;
}

/// From now on it is the version to answer with.
Status SqliteCatalog::begin_serving(const std::string& name,
                                    int64_t version,
                                    const char* stage,
                                    std::optional<EventTime> as_of) {
  const int64_t now = world_.clock.now().micros;
  ASSAY_RETURN_IF_ERROR(
      query("UPDATE served_models SET until = ? WHERE name = ? AND until IS NULL", {now, name})
          .status());
  return query(
             "INSERT INTO served_models(name, version, stage, since, as_of) VALUES(?, ?, ?, ?, ?)",
             {name,
              version,
              std::string(stage),
              now,
              as_of.has_value() ? SqlValue(as_of->micros) : SqlValue()})
      .status();
}

Result<std::vector<ModelRow>> SqliteCatalog::models(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT name, version, stage, created, card FROM models WHERE ?1 = '' OR name = ?1"
            " ORDER BY name, version",
            {name}));
  std::vector<ModelRow> models;
  for (const SqlRow& row : rows) {
    models.push_back({text_of(row.at(0)),
                      integer_of(row.at(1)),
                      text_of(row.at(2)),
                      EventTime{integer_of(row.at(3))},
                      text_of(row.at(4)),
                      ""});
  }
  return models;
}

Result<ModelRow> SqliteCatalog::model(const std::string& name, std::optional<int64_t> version) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows,
                         query("SELECT name, version, stage, created, card, bytes FROM models"
                               " WHERE rowid = (SELECT rowid FROM models"
                               " WHERE name = ?1 AND (?2 IS NULL OR version = ?2)"
                               " ORDER BY stage = 'production' DESC, version DESC LIMIT 1)",
                               {name, version.has_value() ? SqlValue(*version) : SqlValue()}));
  if (rows.empty()) {
    const std::string which = version.has_value() ? " version " + std::to_string(*version) : "";
    return Status(Code::kNotFound,
                  "no model `" + name + "`" + which +
                      " in the registry; see `assay model list`, or make "
                      "it with `assay train " +
                      name + "`");
  }
  const SqlRow& row = rows[0];
  return ModelRow{text_of(row.at(0)),
                  integer_of(row.at(1)),
                  text_of(row.at(2)),
                  EventTime{integer_of(row.at(3))},
                  text_of(row.at(4)),
                  text_of(row.at(5))};
}

Result<DefinitionTexts> SqliteCatalog::model_definitions(const std::string& name, int64_t version) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT path, text FROM model_files WHERE name = ? AND version = ?", {name, version}));
  DefinitionTexts texts;
  for (const SqlRow& row : rows) {
    texts[text_of(row.at(0))] = text_of(row.at(1));
  }
  return texts;
}

Status SqliteCatalog::promote_model(const std::string& name,
                                    int64_t version,
                                    std::optional<EventTime> as_of) {
  const std::lock_guard lock(mutex_);
  return transaction([&]() -> Status {
    ASSAY_ASSIGN_OR_RETURN(
        const std::vector<SqlRow> before,
        query("SELECT stage FROM models WHERE name = ? AND version = ?", {name, version}));
    if (before.empty()) {
      return {Code::kNotFound,
              "no model `" + name + "` version " + std::to_string(version) +
                  " in the registry; see `assay model list`"};
    }
    if (text_of(before[0].at(0)) == kProduction) {
      ASSAY_ASSIGN_OR_RETURN(const bool is_told, is_begin_known(name));
      return is_told || !as_of.has_value() ? Status()
                                           : begin_serving(name, version, kProduction, as_of);
    }
    ASSAY_RETURN_IF_ERROR(query("UPDATE models SET stage = ? WHERE name = ? AND stage = ?",
                                {std::string(kArchived), name, std::string(kProduction)})
                              .status());
    ASSAY_RETURN_IF_ERROR(query("UPDATE models SET stage = ? WHERE name = ? AND version = ?",
                                {std::string(kProduction), name, version})
                              .status());
    return begin_serving(name, version, kProduction, as_of);
  });
}

/// Whether it is known for which instant the version that is served began to be.
Result<bool> SqliteCatalog::is_begin_known(const std::string& name) {
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT as_of FROM served_models WHERE name = ? ORDER BY id DESC LIMIT 1", {name}));
  return !rows.empty() && rows[0].at(0).index() != 0;
}

Result<std::map<std::string, ServedVersion>> SqliteCatalog::served_versions() {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<SqlRow> rows,
      query("SELECT name, version, stage FROM models ORDER BY name, stage = ?, version",
            {std::string(kProduction)}));
  std::map<std::string, ServedVersion> served;
  for (const SqlRow& row : rows) {  // that of each last
    served[text_of(row.at(0))] = {integer_of(row.at(1)), text_of(row.at(2))};
  }
  return served;
}

Result<std::vector<ServedTime>> SqliteCatalog::served_times(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<SqlRow> rows,
                         query("SELECT version, stage, since, until, as_of FROM served_models"
                               " WHERE name = ? ORDER BY id",
                               {name}));
  const auto time_of = [](const SqlValue& value) {
    return value.index() == 0 ? std::nullopt : std::optional(EventTime{integer_of(value)});
  };
  std::vector<ServedTime> times;
  for (const SqlRow& row : rows) {
    times.push_back({integer_of(row.at(0)),
                     text_of(row.at(1)),
                     EventTime{integer_of(row.at(2))},
                     time_of(row.at(3)),
                     time_of(row.at(4))});
  }
  return times;
}

}  // namespace assay::catalog
