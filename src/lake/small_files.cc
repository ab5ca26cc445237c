#include "lake/small_files.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/metrics.h"
#include "data/parquet_reader.h"
#include "lake/objects_ahead.h"
#include "lake/query_files.h"
#include "lake/row_writer.h"

namespace assay::lake {
namespace {

constexpr int64_t kSmallBytes = int64_t{4} << 20;
constexpr std::size_t kUnpackedMin = std::size_t{16} << 20;

bool is_small(const DataFile& file) {
  return file.size_bytes > 0 && file.size_bytes <= kSmallBytes;
}

/// Of the files themselves.
data::SchemaPtr stored_schema(const Snapshot& snapshot) {
  const std::vector<std::string>& partitions = snapshot.partition_columns;
  std::vector<data::Field> fields;
  for (const data::Field& field : snapshot.schema->fields()) {
    if (std::find(partitions.begin(), partitions.end(), field.name) == partitions.end()) {
      fields.push_back(field);
    }
  }
  return data::make_schema(std::move(fields));
}

std::vector<ObjectsAhead::Object> small_objects(const DeltaTable& table,
                                                const std::vector<DataFile>& files) {
  std::vector<ObjectsAhead::Object> objects;
  for (const DataFile& file : files) {
    if (is_small(file)) {
      objects.push_back({table.key() + '/' + file.path, file.size_bytes});
    }
  }
  return objects;
}

class SmallFiles : public data::BatchReader {
 public:
  SmallFiles(const LakeAccess& lake,
             DeltaTable& table,
             const Snapshot& snapshot,
             std::vector<DataFile> files)
      : lake_(lake),
        table_(table),
        snapshot_(snapshot),
        files_(std::move(files)),
        schema_(stored_schema(snapshot)),
        reader_(schema_,
                std::clamp(lake.sql.options().memory_bytes_max / 16,
                           kUnpackedMin,
                           data::ParquetReader::kBytesMax)),
        by_ourselves_(counter_of(lake, "ours")),
        by_engine_(counter_of(lake, "sql")) {
    objects_.emplace(lake.store, small_objects(table, files_));
  }

  [[nodiscard]] const data::SchemaPtr& schema() const override { return schema_; }

  Result<std::optional<data::Batch>> next() override {
    while (by_sql_ != nullptr || next_ < files_.size()) {
      ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> rows,
                             by_sql_ != nullptr ? next_by_sql() : next_file());
      if (rows && rows->rows() > 0) {
        return rows;
      }
    }
    return std::optional<data::Batch>();
  }

 private:
  static Counter& counter_of(const LakeAccess& lake, const char* by) {
    return lake.world.metrics.counter(
        "assay_lake_small_files_total", "Files that were made one with others", {{"by", by}});
  }

  /// Its rows; or nothing, and the SQL engine begins to read.
  Result<std::optional<data::Batch>> next_file() {
    std::size_t end = next_;
    while (end < files_.size() && !is_small(files_[end])) {
      ++end;
    }
    if (end > next_) {
      return read_by_sql(end);
    }
    const DataFile& file = files_[next_];
    const Result<std::string> bytes = objects_->next();
    if (bytes.code() == Code::kUnavailable) {
      return bytes.status();
    }
    std::optional<data::Batch> rows = bytes.ok() ? reader_.read(*bytes) : std::nullopt;
    if (!rows) {
      if (bytes.ok() && reader_.ran_out()) {
        return read_by_sql(next_ + 1);
      }
      objects_.reset();  // where there is one such file there are more
      return read_by_sql(files_.size());
    }
    if (file.rows >= 0 && rows->rows() != file.rows) {
      return wrong_rows(file.path, file.rows, rows->rows());
    }
    ++next_;
    by_ourselves_.add();
    return rows;
  }

  /// The files from the next one to `end`.
  Result<std::optional<data::Batch>> read_by_sql(std::size_t end) {
    const auto begin = static_cast<std::ptrdiff_t>(std::exchange(next_, end));
    const std::vector<DataFile> some(files_.begin() + begin,
                                     files_.begin() + static_cast<std::ptrdiff_t>(end));
    rows_left_ = 0;
    sql_path_ = some.front().path;
    for (const DataFile& file : some) {
      rows_left_ =
          file.rows < 0 || !rows_left_ ? std::nullopt : std::optional(*rows_left_ + file.rows);
    }
    by_engine_.add(std::ssize(some));
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table_.relation_of(snapshot_, some));
    ASSAY_ASSIGN_OR_RETURN(by_sql_, stream_rows(lake_.sql, schema_, "SELECT * FROM " + relation));
    return std::optional<data::Batch>();
  }

  Result<std::optional<data::Batch>> next_by_sql() {
    ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> rows, by_sql_->next());
    if (rows) {
      rows_left_ = rows_left_ ? std::optional(*rows_left_ - rows->rows()) : std::nullopt;
      return rows;
    }
    by_sql_.reset();
    if (rows_left_.value_or(0) != 0) {
      return Status(Code::kCorrupt,
                    "the log says of files from " + sql_path_ + " on that they have " +
                        std::to_string(*rows_left_) + " rows more than they gave");
    }
    return rows;
  }

  static Status wrong_rows(const std::string& path, int64_t expected, int64_t rows) {
    return {Code::kCorrupt,
            "the log says that file " + path + " has " + std::to_string(expected) +
                " rows, but it has " + std::to_string(rows)};
  }

  const LakeAccess lake_;
  DeltaTable& table_;
  const Snapshot& snapshot_;
  const std::vector<DataFile> files_;
  const data::SchemaPtr schema_;
  data::ParquetReader reader_;
  std::optional<ObjectsAhead> objects_;
  Counter& by_ourselves_;
  Counter& by_engine_;
  std::size_t next_ = 0;  // of files_
  std::unique_ptr<data::BatchReader> by_sql_;
  std::optional<int64_t> rows_left_;  // that it is to give, where the log says
  std::string sql_path_;              // of its first file
};

}  // namespace

bool may_read_small_files(const Snapshot& snapshot) {
  return snapshot.mapping == ColumnMapping::kNone &&
         snapshot.columns->size() == snapshot.schema->fields().size() &&
         row_writer_takes(*snapshot.schema, snapshot.partition_columns);
}

std::unique_ptr<data::BatchReader> read_small_files(const LakeAccess& lake,
                                                    DeltaTable& table,
                                                    const Snapshot& snapshot,
                                                    std::vector<DataFile> files) {
  return std::make_unique<SmallFiles>(lake, table, snapshot, std::move(files));
}

}  // namespace assay::lake
