#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay::lake {

/// For tests: the machine's files, without waiting for the disk; what is synced is written down
/// instead.
class UnsyncedFiles : public FileSystem {
 public:
  Result<std::string> read(const std::string& path) override { return files_->read(path); }
  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    return files_->read_range(path, offset, size);
  }
  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    return files_->open(path);
  }
  Status write(const std::string& path, std::string_view bytes) override {
    return files_->write(path, bytes);
  }
  Status put_if_absent(const std::string& path, std::string_view bytes) override {
    return files_->put_if_absent(path, bytes);
  }
  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    return files_->list(directory);
  }
  Result<FileInfo> stat(const std::string& path) override { return files_->stat(path); }
  Status make_directories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    return error ? Status(Code::kInvalidArgument, error.message()) : Status();
  }
  Status remove(const std::string& path) override { return files_->remove(path); }
  Status sync(const std::string& path) override {
    synced_.insert(path);
    return {};
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return files_->lock(path);
  }
  [[nodiscard]] const std::set<std::string>& synced() const { return synced_; }

 private:
  std::unique_ptr<FileSystem> files_ = system_files();
  std::set<std::string> synced_;
};

/// For tests: a lake in a folder of its own, with a clock that stands still and seeded randomness.
class LakeUnderTest {
 public:
  /// In a new folder, removed at the end; or in `folder`, which stays.
  explicit LakeUnderTest(const std::string& folder = "", uint64_t seed = 1)
      : owned_(folder.empty()),
        folder_(folder.empty() ? make_folder() : folder),
        random_(folder.empty() ? seeded_random(seed) : system_random()) {}
  ~LakeUnderTest() {
    if (owned_) {
      std::filesystem::remove_all(folder_);
    }
  }
  LakeUnderTest(const LakeUnderTest&) = delete;
  LakeUnderTest& operator=(const LakeUnderTest&) = delete;

  static std::string make_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay_lake_XXXXXX").string();
    return ::mkdtemp(pattern.data());
  }

  [[nodiscard]] const std::string& folder() const { return folder_; }
  World& world() { return world_; }
  FakeClock& clock() { return clock_; }
  const UnsyncedFiles& files() { return files_; }
  store::ObjectStore& store() { return *store_; }
  /// From now on its tables lie there; before any is opened.
  void use_store(std::unique_ptr<store::ObjectStore> store) { store_ = std::move(store); }
  data::SqlEngine& sql() { return *sql_; }

  std::unique_ptr<DeltaTable> create(const std::string& key,
                                     std::vector<data::Field> fields,
                                     std::vector<std::string> partition_columns = {}) {
    return DeltaTable::open_or_create(
               world_,
               *store_,
               *sql_,
               key,
               {key, data::make_schema(std::move(fields)), std::move(partition_columns)})
        .value();
  }
  Result<std::unique_ptr<DeltaTable>> open(const std::string& key) {
    return DeltaTable::open(world_, *store_, *sql_, key);
  }
  /// Rows of an SQL statement.
  data::Batch rows(const std::string& statement) { return sql_->query(statement).value(); }
  /// The one number that a statement gives.
  int64_t number(const std::string& statement) {
    const data::Batch batch = rows(statement);
    return batch.column(0).values<int64_t>()[0];
  }
  /// Rows under the table's schema: the statement's columns cast to it, by position.
  data::Batch rows_for(DeltaTable& table, const std::string& statement) {
    const data::SchemaPtr schema = table.snapshot().value()->schema;
    return rows_as(schema, statement);
  }
  data::Batch rows_as(const data::SchemaPtr& schema, const std::string& statement) {
    std::string columns;
    std::string names;
    for (const data::Field& field : schema->fields()) {
      const std::string name = data::SqlEngine::identifier(field.name);
      columns += (columns.empty() ? "" : ", ") + std::string("CAST(") + name + " AS " +
                 std::string(data::SqlEngine::sql_type(field.type)) + ") AS " + name;
      names += (names.empty() ? "" : ", ") + name;
    }
    const data::Batch batch =
        rows("SELECT " + columns + " FROM (" + statement + ") AS r(" + names + ")");
    std::vector<data::ColumnPtr> pointers;
    for (int i = 0; i < batch.column_count(); ++i) {
      pointers.push_back(batch.column_ptr(i));
    }
    return {schema, pointers, batch.rows()};
  }
  /// Write the statement's rows and commit them.
  Version append(DeltaTable& table, const std::string& statement) {
    CommitRequest request;
    request.adds = table.write_files(rows_for(table, statement)).value();
    return table.commit(request).value();
  }
  int64_t count(DeltaTable& table, const std::string& where = "") {
    return number("SELECT count(*) FROM " +
                  table.relation(*table.snapshot().value(), where).value());
  }
  /// Give the log file of a version this modification time, in seconds since the epoch.
  void set_commit_time(const std::string& key, Version version, int64_t second) {
    std::string digits = std::to_string(version);
    digits.insert(0, 20 - digits.size(), '0');
    const std::chrono::sys_seconds time{std::chrono::seconds(second)};
    std::filesystem::last_write_time(store_->read_path(key + "/_delta_log/" + digits + ".json"),
                                     std::filesystem::file_time_type::clock::from_sys(time));
  }
  /// Everything in the log's file of one version.
  std::string log_text(const std::string& key, Version version) {
    std::string digits = std::to_string(version);
    digits.insert(0, 20 - digits.size(), '0');
    return store_->get(key + "/_delta_log/" + digits + ".json").value();
  }

 private:
  bool owned_;
  std::string folder_;
  FakeClock clock_{{1'767'225'600'000'000}};
  UnsyncedFiles files_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, files_, *random_, *log_, metrics_};
  std::unique_ptr<store::ObjectStore> store_ = store::open_local_store(world_, folder_).value();
  std::unique_ptr<data::SqlEngine> sql_ =
      data::SqlEngine::open(
          {.threads = 2, .memory_bytes_max = std::size_t{1} << 30, .temp_directory = ""})
          .value();
};

}  // namespace assay::lake
