#include "lake/small_files.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

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
        objects_(lake.store, small_objects(table, files_)) {}

  [[nodiscard]] const data::SchemaPtr& schema() const override { return schema_; }

  Result<std::optional<data::Batch>> next() override {
    while (by_sql_ != nullptr || next_ < files_.size()) {
      if (by_sql_ == nullptr) {
        ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> rows, next_file());
        if (rows && rows->rows() > 0) {
          return rows;
        }
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> rows, by_sql_->next());
      if (rows) {
        return rows;
      }
      by_sql_.reset();
    }
    return std::optional<data::Batch>();
  }

 private:
  /// Its rows; or nothing, and the SQL engine begins to read.
  Result<std::optional<data::Batch>> next_file() {
    std::size_t end = next_;
    while (end < files_.size() && !is_small(files_[end])) {
      ++end;
    }
    if (end == next_) {
      const Result<std::string> bytes = objects_.next();
      std::optional<data::Batch> rows = bytes.ok() ? reader_.read(*bytes) : std::nullopt;
      if (rows) {
        ++next_;
        return rows;
      }
      end = files_.size();  // where there is one such file there are more
    }
    const std::vector<DataFile> some(files_.begin() + static_cast<std::ptrdiff_t>(next_),
                                     files_.begin() + static_cast<std::ptrdiff_t>(end));
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table_.relation_of(snapshot_, some));
    ASSAY_ASSIGN_OR_RETURN(by_sql_, stream_rows(lake_.sql, schema_, "SELECT * FROM " + relation));
    next_ = end;
    return std::optional<data::Batch>();
  }

  const LakeAccess lake_;
  DeltaTable& table_;
  const Snapshot& snapshot_;
  const std::vector<DataFile> files_;
  const data::SchemaPtr schema_;
  data::ParquetReader reader_;
  ObjectsAhead objects_;
  std::size_t next_ = 0;  // of files_
  std::unique_ptr<data::BatchReader> by_sql_;
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
