#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "lake/lake_under_test.h"
#include "lake/snapshot.h"

namespace assay::lake {

/// For tests: a table "t" as other engines write it, action by action; Parquet files by SQL.
class ForeignTable {
 public:
  /// One field of a schemaString; `type` is Delta's name of a primitive type, or JSON.
  static std::string field(const std::string& name,
                           const std::string& type,
                           const std::string& metadata = "{}") {
    const std::string quoted = type.starts_with('{') ? type : "\"" + type + "\"";
    return R"({"name":")" + name + R"(","type":)" + quoted + R"(,"nullable":true,"metadata":)" +
           metadata + "}";
  }
  static std::string structure(const std::vector<std::string>& fields) {
    std::string list;
    for (const std::string& each : fields) {
      list += (list.empty() ? "" : ",") + each;
    }
    return R"({"type":"struct","fields":[)" + list + "]}";
  }
  static std::string mapped(const std::string& physical, int id) {
    return R"({"delta.columnMapping.physicalName":")" + physical +
           R"(","delta.columnMapping.id":)" + std::to_string(id) + "}";
  }
  static std::string protocol(int reader, const std::string& features = "") {
    const std::string list = features.empty() ? "" : R"(,"readerFeatures":[)" + features + "]";
    return R"({"protocol":{"minReaderVersion":)" + std::to_string(reader) +
           R"(,"minWriterVersion":7)" + list + "}}\n";
  }
  static std::string metadata(const std::vector<std::string>& fields,
                              const std::string& partition_columns = "",
                              const std::string& configuration = "") {
    std::string schema;
    append_json_string(schema, structure(fields));
    return R"({"metaData":{"id":"i","format":{"provider":"parquet","options":{}},"schemaString":)" +
           schema + R"(,"partitionColumns":[)" + partition_columns + R"(],"configuration":{)" +
           configuration + "}}}\n";
  }
  /// `more` begins with a comma.
  static std::string add(const std::string& path,
                         const std::string& partition_values = "",
                         const std::string& more = "") {
    return R"({"add":{"path":")" + path + R"(","partitionValues":{)" + partition_values +
           R"(},"size":1,"modificationTime":1,"dataChange":true)" + more + "}}\n";
  }

  LakeUnderTest& lake() { return lake_; }
  /// The next version's log file.
  ForeignTable& commit(const std::string& actions) {
    put("_delta_log/" + log_file_name(next_++), actions);
    return *this;
  }
  ForeignTable& put(const std::string& path, const std::string& bytes) {
    EXPECT_TRUE(lake_.store().put("t/" + path, bytes).ok());
    return *this;
  }
  /// The rows of a query as the Parquet file t/`path`.
  ForeignTable& parquet(const std::string& path,
                        const std::string& query,
                        const std::string& options = "") {
    put(path, "");
    const Status status =
        lake_.sql().execute("COPY (" + query + ") TO " + data::SqlEngine::literal(local(path)) +
                            " (FORMAT parquet" + options + ")");
    EXPECT_TRUE(status.ok()) << status.to_string();
    return *this;
  }
  std::string local(const std::string& path) { return lake_.store().read_path("t/" + path); }

  Result<std::unique_ptr<DeltaTable>> open() { return lake_.open("t"); }
  /// All rows, each as text, in order of that text; or why not.
  std::string rows(const std::string& where = "", std::optional<Version> version = {}) {
    const auto table = open();
    if (!table.ok()) {
      return table.status().to_string();
    }
    const auto snapshot = (*table)->snapshot(version);
    if (!snapshot.ok()) {
      return snapshot.status().to_string();
    }
    return rows_of((*table)->relation(**snapshot, where));
  }
  std::string rows_of(const Result<std::string>& relation) {
    if (!relation.ok()) {
      return relation.status().to_string();
    }
    const auto batch = lake_.sql().query("SELECT CAST(r AS VARCHAR) AS line FROM " + *relation +
                                         " AS r ORDER BY 1");
    if (!batch.ok()) {
      return batch.status().to_string();
    }
    std::string out;
    for (int64_t row = 0; row < batch->rows(); ++row) {
      out += (row == 0 ? "" : "\n") + std::string(batch->column(0).text(row));
    }
    return out;
  }

 private:
  LakeUnderTest lake_;
  Version next_ = 0;
};

}  // namespace assay::lake
