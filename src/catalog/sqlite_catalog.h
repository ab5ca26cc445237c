#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "catalog/catalog_store.h"
#include "catalog/sqlite_database.h"

namespace assay::catalog {

inline int64_t integer_of(const SqlValue& value) {
  const auto* number = std::get_if<int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

inline std::string text_of(const SqlValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return *text;
  }
  const auto* blob = std::get_if<SqlBlob>(&value);
  return blob == nullptr ? std::string() : blob->bytes;
}

/// The catalog in its file: models in sqlite_models.cc, all else in catalog_store.cc.
class SqliteCatalog : public CatalogStore {
 public:
  SqliteCatalog(World& world, std::string path, std::unique_ptr<SqliteDatabase> database)
      : world_(world), path_(std::move(path)), database_(std::move(database)) {}

  Status migrate();
  Result<ApplyOutcome> apply(const Project& project, const OutputTypes& outputs) override;
  Result<std::vector<AppliedObject>> applied() override;
  Result<std::vector<AppliedObject>> history(const std::string& kind,
                                             const std::string& name) override;
  Result<std::vector<SourceFileRow>> source_files(const std::string& source) override;
  Status add_source_files(const std::string& source,
                          const std::vector<SourceFileRow>& files) override;
  Status complete_project(const std::string& profile,
                          const DefinitionTexts& texts,
                          const std::vector<std::string>& online_views) override;
  Result<std::vector<CompleteProject>> complete_projects(const std::string& profile,
                                                         int64_t count) override;
  Result<std::optional<CompleteProject>> complete_project_of(
      const std::string& profile, const std::string& online_view) override;
  Result<std::optional<int64_t>> complete_version(const std::string& profile) override;
  Result<std::set<std::string>> complete_views(int64_t count) override;
  Result<int64_t> start_run(const std::string& command) override;
  Status finish_run(int64_t id,
                    const std::string& status,
                    const std::string& account_json) override;
  Result<std::vector<RunRow>> runs(int64_t count, const std::string& command) override;
  Result<int64_t> add_model(const std::string& name,
                            const std::string& card_json,
                            const std::string& bytes,
                            const DefinitionTexts& definitions,
                            std::optional<EventTime> as_of) override;
  Result<std::vector<ModelRow>> models(const std::string& name) override;
  Result<ModelRow> model(const std::string& name, std::optional<int64_t> version) override;
  Result<DefinitionTexts> model_definitions(const std::string& name, int64_t version) override;
  Status promote_model(const std::string& name,
                       int64_t version,
                       std::optional<EventTime> as_of) override;
  Result<std::map<std::string, ServedVersion>> served_versions() override;
  Result<std::vector<ServedTime>> served_times(const std::string& name) override;

 private:
  using Versions = std::map<std::pair<std::string, std::string>, AppliedObject>;

  Result<std::vector<SqlRow>> query(const std::string& sql, const SqlRow& values = {});
  Status transaction(const std::function<Status()>& work);
  Result<int64_t> pragma(const char* name);
  [[nodiscard]] Status check_known(int64_t version) const;  // of the schema
  Status migrate_from(int64_t version);
  Result<std::vector<CompleteProject>> newest_projects(const std::string& profile, int64_t count);
  Result<CompleteProject> project_of(const std::string& profile, const SqlRow& row);
  Status begin_serving(const std::string& name,
                       int64_t version,
                       const char* stage,
                       std::optional<EventTime> as_of);
  Result<bool> is_begin_known(const std::string& name);
  Result<std::vector<AppliedObject>> newest_objects(const std::string& condition);
  Status put_object(const AppliedObject& object);
  Status apply_objects(const Project& project, const OutputTypes& outputs, ApplyOutcome* outcome);
  Status remove_objects(const Versions& gone, ApplyOutcome* outcome);

  World& world_;
  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<SqliteDatabase> database_;
};

}  // namespace assay::catalog
