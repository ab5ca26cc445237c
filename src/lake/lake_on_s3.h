#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/s3_store.h"

namespace assay::lake {

/// For tests: tables of `id BIGINT, writer INTEGER` on an S3 service, fake or real, and one process
/// that uses it.
class LakeOnS3 {
 public:
  explicit LakeOnS3(store::S3Options options) {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay_lake_XXXXXX").string();
    spool_ = ::mkdtemp(pattern.data());
    options.spool_folder = spool_;
    store_ = store::open_s3_store(world_.world(), options).value();
    sql_ = data::SqlEngine::open({.threads = 2,
                                  .memory_bytes_max = std::size_t{512} << 20,
                                  .temp_directory = spool_ + "/spill"})
               .value();
  }
  ~LakeOnS3() {
    store_.reset();
    std::filesystem::remove_all(spool_);
  }
  LakeOnS3(const LakeOnS3&) = delete;
  LakeOnS3& operator=(const LakeOnS3&) = delete;

  World& world() { return world_.world(); }
  store::ObjectStore& store() { return *store_; }
  data::SqlEngine& sql() { return *sql_; }

  Result<std::unique_ptr<DeltaTable>> create(const std::string& key,
                                             std::vector<std::string> partition_columns = {}) {
    return DeltaTable::open_or_create(
        world_.world(), *store_, *sql_, key, {key, schema(), std::move(partition_columns)});
  }
  Result<std::unique_ptr<DeltaTable>> open(const std::string& key) {
    return DeltaTable::open(world_.world(), *store_, *sql_, key);
  }
  /// Rows (first_id, writer), (first_id + 1, writer), ...
  static data::Batch rows(int64_t first_id, int32_t writer, int64_t count = 1) {
    data::BatchBuilder builder(schema());
    for (int64_t i = 0; i < count; ++i) {
      builder.column(0).append(first_id + i);
      builder.column(1).append(writer);
    }
    return builder.finish();
  }
  static Result<Version> append(DeltaTable& table, int64_t id, int32_t writer) {
    CommitRequest request;
    ASSAY_ASSIGN_OR_RETURN(request.adds, table.write_files(rows(id, writer)));
    return table.commit(request);
  }
  Result<int64_t> number(DeltaTable& table, const std::string& what) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table.relation(*snapshot));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch batch,
                           sql_->query("SELECT " + what + " FROM " + relation));
    return batch.column(0).values<int64_t>()[0];
  }

  static data::SchemaPtr schema() {
    return data::make_schema(
        {{"id", data::Type::kInt64, true}, {"writer", data::Type::kInt32, true}});
  }

 private:
  SystemWorld world_{LogLevel::kError};
  std::string spool_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<data::SqlEngine> sql_;
};

}  // namespace assay::lake
