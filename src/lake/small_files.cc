#include "lake/small_files.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "data/parquet_reader.h"
#include "lake/objects_ahead.h"
#include "lake/partition_split.h"
#include "lake/query_files.h"
#include "lake/row_writer.h"

namespace assay::lake {
namespace {

constexpr int64_t kSmallBytes = int64_t{4} << 20;
constexpr std::size_t kUnpackedMin = std::size_t{16} << 20;

bool is_small(const DataFile& file) {
  return file.size_bytes > 0 && file.size_bytes <= kSmallBytes;
}

bool is_partition(const Snapshot& snapshot, const data::Field& field) {
  const std::vector<std::string>& partitions = snapshot.partition_columns;
  return std::find(partitions.begin(), partitions.end(), field.name) != partitions.end();
}

/// Of the files themselves.
data::SchemaPtr stored_schema(const Snapshot& snapshot) {
  std::vector<data::Field> fields;
  for (const data::Field& field : snapshot.schema->fields()) {
    if (!is_partition(snapshot, field)) {
      fields.push_back(field);
    }
  }
  return data::make_schema(std::move(fields));
}

std::vector<ObjectsAhead::Object> small_objects(const std::string& key,
                                                const std::vector<DataFile>& files) {
  std::vector<ObjectsAhead::Object> objects;
  for (const DataFile& file : files) {
    if (is_small(file)) {
      objects.push_back({key + '/' + file.path, file.size_bytes});
    }
  }
  return objects;
}

/// A partition column of so many rows; nullptr where the log's text is none that we would write.
data::ColumnPtr partition_column(const DataFile& file, const data::Field& field, int64_t rows) {
  const auto found = file.partition_values.find(field.name);
  if (found == file.partition_values.end() || !found->second || found->second->empty()) {
    return data::constant_column(data::Scalar::null(field.type), rows);
  }
  const Result<data::Scalar> value = data::parse_scalar(*found->second, field.type);
  if (!value.ok()) {
    return nullptr;
  }
  const data::ColumnPtr one = data::constant_column(*value, 1);
  const Result<std::optional<std::string>> text = partition_text(*one, 0);
  return text.ok() && *text == found->second ? data::constant_column(*value, rows) : nullptr;
}

class SmallFiles : public data::BatchReader {
 public:
  SmallFiles(SmallFileReading reading, std::vector<DataFile> files)
      : reading_(std::move(reading)),
        files_(std::move(files)),
        stored_(stored_schema(reading_.snapshot)),
        reader_(stored_,
                std::clamp(
                    reading_.memory_bytes_max / 16, kUnpackedMin, data::ParquetReader::kBytesMax)) {
    for (const data::Field& field : reading_.columns->fields()) {
      if (!is_partition(reading_.snapshot, field)) {
        stored_columns_.push_back(*stored_->find(field.name));
      }
    }
    objects_.emplace(reading_.store, small_objects(reading_.key, files_));
  }

  [[nodiscard]] const data::SchemaPtr& schema() const override { return reading_.columns; }

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
    std::optional<data::Batch> rows =
        bytes.ok() ? reader_.read(*bytes, stored_columns_) : std::nullopt;
    if (!rows) {
      if (bytes.ok() && reader_.ran_out()) {
        return read_by_sql(next_ + 1);
      }
      objects_.reset();  // where there is one such file there are more
      return read_by_sql(files_.size());
    }
    if (reading_.heeds_row_counts && file.rows >= 0 && rows->rows() != file.rows) {
      return wrong_rows(file.path, file.rows, rows->rows());
    }
    rows = with_partitions(file, *std::move(rows));
    if (!rows) {
      return read_by_sql(next_ + 1);
    }
    ++next_;
    reading_.by_ourselves.add();
    return rows;
  }

  /// All columns that are wanted; nothing where the log's partition values are not as we write
  /// them.
  std::optional<data::Batch> with_partitions(const DataFile& file, data::Batch rows) const {
    if (rows.column_count() == reading_.columns->size()) {
      return rows;
    }
    std::vector<data::ColumnPtr> columns;
    int stored = 0;
    for (const data::Field& field : reading_.columns->fields()) {
      columns.push_back(is_partition(reading_.snapshot, field)
                            ? partition_column(file, field, rows.rows())
                            : rows.column_ptr(stored++));
      if (columns.back() == nullptr) {
        return std::nullopt;
      }
    }
    return data::Batch(reading_.columns, std::move(columns), rows.rows());
  }

  /// The files from the next one to `end`.
  Result<std::optional<data::Batch>> read_by_sql(std::size_t end) {
    const auto begin = static_cast<std::ptrdiff_t>(std::exchange(next_, end));
    const std::vector<DataFile> some(files_.begin() + begin,
                                     files_.begin() + static_cast<std::ptrdiff_t>(end));
    rows_left_ = 0;
    sql_path_ = some.front().path;
    for (const DataFile& file : some) {
      const bool is_known = reading_.heeds_row_counts && file.rows >= 0 && rows_left_;
      rows_left_ = is_known ? std::optional(*rows_left_ + file.rows) : std::nullopt;
    }
    reading_.by_engine.add(std::ssize(some));
    ASSAY_ASSIGN_OR_RETURN(by_sql_, reading_.by_sql(some));
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
                        std::to_string(*rows_left_) +
                        " rows more than they gave; `assay lake doctor` examines them");
    }
    return rows;
  }

  static Status wrong_rows(const std::string& path, int64_t expected, int64_t rows) {
    return {Code::kCorrupt,
            "the log says that file " + path + " has " + std::to_string(expected) +
                " rows, but it has " + std::to_string(rows) + "; `assay lake doctor` examines it"};
  }

  const SmallFileReading reading_;
  const std::vector<DataFile> files_;
  const data::SchemaPtr stored_;
  std::vector<int> stored_columns_;  // of stored_, that are wanted
  data::ParquetReader reader_;
  std::optional<ObjectsAhead> objects_;
  std::size_t next_ = 0;  // of files_
  std::unique_ptr<data::BatchReader> by_sql_;
  std::optional<int64_t> rows_left_;  // that it is to give, where the log says
  std::string sql_path_;              // of its first file
};

Counter& counter_of(const LakeAccess& lake, const char* by) {
  return lake.world.metrics.counter(
      "assay_lake_small_files_total", "Files that were made one with others", {{"by", by}});
}

}  // namespace

bool may_read_small_files(const Snapshot& snapshot) {
  return snapshot.mapping == ColumnMapping::kNone &&
         snapshot.columns->size() == snapshot.schema->fields().size() &&
         row_writer_takes(*snapshot.schema, snapshot.partition_columns);
}

bool is_our_file(const Snapshot& snapshot, std::string_view bytes) {
  data::ParquetReader reader(stored_schema(snapshot));
  return reader.read(bytes, std::span<const int>()).has_value();
}

std::unique_ptr<data::BatchReader> read_small_files(const LakeAccess& lake,
                                                    DeltaTable& table,
                                                    const Snapshot& snapshot,
                                                    std::vector<DataFile> files) {
  const data::SchemaPtr columns = stored_schema(snapshot);
  const auto by_sql =
      [sql = &lake.sql, table = &table, snapshot = &snapshot, columns](
          const std::vector<DataFile>& some) -> Result<std::unique_ptr<data::BatchReader>> {
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table->relation_of(*snapshot, some));
    return stream_rows(*sql, columns, "SELECT * FROM " + relation);
  };
  return read_small_files({.store = lake.store,
                           .key = table.key(),
                           .snapshot = snapshot,
                           .columns = columns,
                           .memory_bytes_max = lake.sql.options().memory_bytes_max,
                           .heeds_row_counts = true,
                           .by_ourselves = counter_of(lake, "ours"),
                           .by_engine = counter_of(lake, "sql"),
                           .by_sql = by_sql},
                          std::move(files));
}

std::unique_ptr<data::BatchReader> read_small_files(SmallFileReading reading,
                                                    std::vector<DataFile> files) {
  return std::make_unique<SmallFiles>(std::move(reading), std::move(files));
}

}  // namespace assay::lake
